//! The vault over a database's tables.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::{
    cache::KeyCache,
    keyring::Keyring,
    tables::{KeyRow, KeyTables, WrappedKey},
};
use crate::{
    domain::ids::SubjectId,
    ports::{
        rotation::Rotation as _,
        vault::{Failure, KeyState, SubjectKey, Vault},
    },
    record::wrap::{Place, new_subject_key},
};

/// Attempts to create a key while the master key changes.
const TRIES_MAX: usize = 5;

/// Subjects' keys in a database, encrypted with the master key that the database names.
pub struct StoredVault<T> {
    pub(super) tables: T,
    pub(super) keyring: Keyring,
    cache: KeyCache,
}

impl<T: KeyTables> StoredVault<T> {
    /// A vault in these tables, whose master key is one of `keyring`.
    pub fn over(tables: T, keyring: Keyring) -> Self {
        Self { tables, keyring, cache: KeyCache::default() }
    }

    /// Checks that this process has the current master key, before anything is served.
    ///
    /// # Errors
    /// `NoMaster`.
    pub async fn ready(&self) -> Result<(), Failure> {
        if let Some((id, _)) = self.tables.current().await? {
            return self.keyring.find(&id).map(drop).ok_or(Failure::NoMaster(id));
        }
        // A ledger from before rotation existed: the key that its secrets are encrypted with is its own.
        let used = self.wrapping_status().await?.tables.into_values().flatten().next().map(|(id, _)| id);
        let key = match &used {
            Some(id) => self.keyring.find(id),
            None => self.keyring.newest(),
        };
        let Some(key) = key else { return Err(Failure::NoMaster(used.unwrap_or_default())) };
        self.tables.adopt(key.id(), self.tables.clock().now()).await?;
        match self.tables.current().await? {
            Some((id, _)) => self.keyring.find(&id).map(drop).ok_or(Failure::NoMaster(id)),
            None => Err(Failure::Unavailable(
                "secrets are encrypted with several master keys: restore the key file that contains them".into(),
            )),
        }
    }

    fn open(&self, subject: &SubjectId, row: KeyRow) -> Result<KeyState, Failure> {
        let wrong = || Failure::WrongMaster(subject.clone());
        let WrappedKey { id, master, nonce, wrapped } = match row {
            KeyRow::Wrapped(key) => key,
            KeyRow::Destroyed(at) => {
                return DateTime::from_timestamp_micros(at).map(KeyState::Destroyed).ok_or_else(wrong);
            }
        };
        let bytes = <&[u8; 24]>::try_from(nonce.as_slice())
            .ok()
            .zip(self.keyring.find(&master))
            .and_then(|(nonce, master)| master.unwrap(&place(self.tables.workspace(), subject, &id), &wrapped, nonce))
            .and_then(|opened| <[u8; 32]>::try_from(opened.as_slice()).ok());
        let bytes = bytes.ok_or_else(wrong)?;
        Ok(KeyState::Held(SubjectKey { id, bytes: Zeroizing::new(bytes) }))
    }

    /// Creates a key if there is none, encrypted with the current master key; does nothing if that changes meanwhile.
    async fn add(&self, subject: &SubjectId) -> Result<(), Failure> {
        let Some((current, _)) = self.tables.current().await? else {
            // The caller retries, now that the ledger has a master key.
            return self.ready().await;
        };
        let master = self.keyring.find(&current).ok_or(Failure::NoMaster(current))?;
        let clock = self.tables.clock();
        let (id, bytes) = new_subject_key(|bytes| clock.fill(bytes));
        let mut nonce = [0; 24];
        clock.fill(&mut nonce);
        let wrapped = master.wrap(&place(self.tables.workspace(), subject, &id), bytes.as_ref(), &nonce);
        let key = WrappedKey { id, master: master.id().to_owned(), nonce: nonce.to_vec(), wrapped };
        self.tables.add(subject, key, clock.now()).await
    }
}

fn place<'a>(workspace: &'a str, subject: &'a SubjectId, key: &'a str) -> Place<'a> {
    Place { workspace, table: "subject_keys", row: subject.as_str(), column: "wrapped", key }
}

#[async_trait]
impl<T: KeyTables> Vault for StoredVault<T> {
    async fn key(&self, subject: &SubjectId) -> Result<KeyState, Failure> {
        if let Some(key) = self.cache.get(subject, self.tables.clock().now()) {
            return Ok(KeyState::Held(key));
        }
        let destroyed = self.cache.destroyed();
        let Some(row) = self.tables.key(subject).await? else { return Ok(KeyState::Unknown) };
        let state = self.open(subject, row)?;
        self.cache.keep(subject, &state, destroyed, self.tables.clock().now());
        Ok(state)
    }

    async fn key_or_new(&self, subject: &SubjectId) -> Result<SubjectKey, Failure> {
        match self.key(subject).await? {
            KeyState::Held(key) => return Ok(key),
            KeyState::Destroyed(_) => return Err(Failure::Forgotten(subject.clone())),
            KeyState::Unknown => {}
        }
        for _ in 0..TRIES_MAX {
            self.add(subject).await?;
            // Of concurrent callers the first one wins; all use the stored key.
            match self.key(subject).await? {
                KeyState::Held(key) => return Ok(key),
                KeyState::Destroyed(_) => return Err(Failure::Forgotten(subject.clone())),
                KeyState::Unknown => {}
            }
        }
        Err(Failure::Unavailable("the master key is being rotated: retry".to_owned()))
    }

    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure> {
        let destroyed = self.tables.destroy(subject, at).await;
        self.cache.forget(subject);
        destroyed?;
        // The key is only erased when no copy is left. Repeated for a key destroyed before, because this step may have failed
        // then.
        let left = |why| Failure::Unavailable(format!("the key is destroyed, but {why}: retry"));
        self.tables.scrub().await.map_err(left)
    }
}
