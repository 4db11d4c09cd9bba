//! Subjects' keys in the ledger's file, wrapped under the master key. Table: `subject_keys`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use zeroize::Zeroizing;

use super::{event_store::SqliteLedger, failure::told};
use crate::{
    domain::ids::SubjectId,
    keys::keyring::Keyring,
    ports::vault::{Failure, KeyState, SubjectKey, Vault},
    record::wrap::{Place, new_subject_key},
};

const KEY: &str = "SELECT key_id, master, nonce, wrapped, destroyed_at FROM subject_keys WHERE subject = ?";
/// Under a master key that is not the ledger's any more nothing is added.
const ADD: &str = "INSERT INTO subject_keys (subject, key_id, master, nonce, wrapped, created_at) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM master_key WHERE id = ?3 ON CONFLICT DO NOTHING";
/// How often a key is made anew because the master key changed meanwhile.
const TRIES_MAX: usize = 5;
/// The row is removed first: overwritten in place, a shorter row could leave the end of the longer one in its page, whereas
/// `secure_delete` overwrites a removed row with zeros.
const REMOVE: &str = "DELETE FROM subject_keys WHERE subject = ? AND destroyed_at IS NULL";
const MARK: &str = "INSERT INTO subject_keys (subject, destroyed_at) VALUES (?, ?) ON CONFLICT DO NOTHING";

/// Keys kept unwrapped at most.
const CACHE_KEYS_MAX: usize = 1_024;

/// How long a key is kept unwrapped. Within this time a key that another process destroyed may still be used here.
const CACHE_TTL: TimeDelta = TimeDelta::seconds(2);

/// The vault of an SQLite ledger.
pub struct SqliteVault {
    pub(super) ledger: SqliteLedger,
    pub(super) keyring: Keyring,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<SubjectId, (SubjectKey, DateTime<Utc>)>,
    /// Raised by each destruction: a key that was read before it must not be kept after it.
    destroyed: u64,
}

impl SqliteVault {
    /// The vault in the file of `ledger`, whose keys the master key wraps that the ledger says, one of `masters`.
    pub fn new(ledger: &SqliteLedger, masters: impl Into<Keyring>) -> Self {
        Self { ledger: ledger.clone(), keyring: masters.into(), cache: Mutex::default() }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self, subject: &SubjectId) -> Option<SubjectKey> {
        let now = self.ledger.clock.now();
        let cache = self.cache();
        let (key, read_at) = cache.keys.get(subject)?;
        // A clock that was set back makes a key too young: that is no reason to keep it for longer.
        ((*read_at..*read_at + CACHE_TTL).contains(&now)).then(|| key.clone())
    }

    fn keep(&self, subject: &SubjectId, state: &KeyState, destroyed_before: u64) {
        let KeyState::Held(key) = state else { return };
        let now = self.ledger.clock.now();
        let mut cache = self.cache();
        if cache.destroyed != destroyed_before {
            return;
        }
        if cache.keys.len() >= CACHE_KEYS_MAX {
            cache.keys.clear();
        }
        cache.keys.insert(subject.clone(), (key.clone(), now));
    }

    fn open(&self, subject: &SubjectId, row: &SqliteRow) -> Result<KeyState, Failure> {
        let bad = |error: sqlx::Error| Failure::Unavailable(format!("a key's row cannot be read: {}", told(&error)));
        if let Some(at) = row.try_get::<Option<i64>, _>(4).map_err(bad)? {
            let at = DateTime::from_timestamp_micros(at);
            return at.map(KeyState::Destroyed).ok_or_else(|| Failure::WrongMaster(subject.clone()));
        }
        let id: String = row.try_get(0).map_err(bad)?;
        let master: &str = row.try_get(1).map_err(bad)?;
        let nonce: &[u8] = row.try_get(2).map_err(bad)?;
        let wrapped: &[u8] = row.try_get(3).map_err(bad)?;
        let bytes = <&[u8; 24]>::try_from(nonce)
            .ok()
            .zip(self.keyring.find(master))
            .and_then(|(nonce, master)| master.unwrap(&place(self.ledger.workspace(), subject, &id), wrapped, nonce))
            .and_then(|opened| <[u8; 32]>::try_from(opened.as_slice()).ok());
        match bytes {
            Some(bytes) => Ok(KeyState::Held(SubjectKey { id, bytes: Zeroizing::new(bytes) })),
            None => Err(Failure::WrongMaster(subject.clone())),
        }
    }

    /// Makes a key where there is none, wrapped under the master key of this moment; nothing where that changes meanwhile.
    async fn add(&self, subject: &SubjectId) -> Result<(), Failure> {
        let Some((current, _)) = self.current().await? else {
            // The caller asks again, now that the ledger has a master key.
            return self.ready().await;
        };
        let master = self.keyring.find(&current).ok_or(Failure::NoMaster(current))?;
        let clock = Arc::clone(&self.ledger.clock);
        let (id, bytes) = new_subject_key(|bytes| clock.fill(bytes));
        let mut nonce = [0; 24];
        clock.fill(&mut nonce);
        let wrapped = master.wrap(&place(self.ledger.workspace(), subject, &id), bytes.as_ref(), &nonce);
        let (name, master, now) = (subject.to_string(), master.id().to_owned(), clock.now().timestamp_micros());
        let write = self.ledger.writer.run(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(ADD).bind(name).bind(id).bind(master).bind(nonce.to_vec());
                query.bind(wrapped).bind(now).execute(connection).await.map(drop)
            })
        });
        write.await.map_err(Failure::Unavailable)
    }
}

pub(super) fn unavailable(error: &sqlx::Error) -> Failure {
    Failure::Unavailable(told(error))
}

fn place<'a>(workspace: &'a str, subject: &'a SubjectId, key: &'a str) -> Place<'a> {
    Place { workspace, table: "subject_keys", row: subject.as_str(), column: "wrapped", key }
}

#[async_trait]
impl Vault for SqliteVault {
    async fn key(&self, subject: &SubjectId) -> Result<KeyState, Failure> {
        if let Some(key) = self.cached(subject) {
            return Ok(KeyState::Held(key));
        }
        let destroyed = self.cache().destroyed;
        let row = sqlx::query(KEY).bind(subject.to_string()).fetch_optional(&self.ledger.readers).await;
        let Some(row) = row.map_err(|e| Failure::Unavailable(told(&e)))? else { return Ok(KeyState::Unknown) };
        let state = self.open(subject, &row)?;
        self.keep(subject, &state, destroyed);
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
            // Whoever came first: what stands in the table now is the key.
            match self.key(subject).await? {
                KeyState::Held(key) => return Ok(key),
                KeyState::Destroyed(_) => return Err(Failure::Forgotten(subject.clone())),
                KeyState::Unknown => {}
            }
        }
        Err(Failure::Unavailable("the master key is being changed: try again".to_owned()))
    }

    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure> {
        let (name, at) = (subject.to_string(), at.timestamp_micros());
        let write = self.ledger.writer.run(move |connection| Box::pin(forget(connection, name, at)));
        let written = write.await;
        {
            let mut cache = self.cache();
            cache.destroyed += 1;
            cache.keys.remove(subject);
        }
        written.map_err(Failure::Unavailable)?;
        // The log still holds the page as it was before. Only when it is gone has the key been forgotten.
        if self.ledger.writer.truncate_log().await.map_err(Failure::Unavailable)? {
            return Ok(());
        }
        Err(Failure::Unavailable(
            "the key is destroyed, but a reader keeps an older copy in the write-ahead log: try again".to_owned(),
        ))
    }
}

async fn forget(connection: &mut SqliteConnection, subject: String, at: i64) -> Result<(), sqlx::Error> {
    sqlx::query(REMOVE).bind(subject.as_str()).execute(&mut *connection).await?;
    sqlx::query(MARK).bind(subject.as_str()).bind(at).execute(connection).await.map(drop)
}
