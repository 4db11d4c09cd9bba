//! Keys that sign checkpoints, stored in a database's table.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::keyring::Keyring;
use crate::{
    ports::{
        clock::Clock,
        signing_keys::{Failure, KnownKey, SigningKeys},
    },
    record::{
        checkpoint::origin,
        note::{SigningKey, VerifierKey},
        signing::WrappedSigningKey,
    },
};

/// A public key as stored. Times are microseconds since 1970.
#[derive(Debug)]
pub struct PublicRow {
    /// The name of the key.
    pub name: String,
    /// 32 bytes.
    pub public: Vec<u8>,
    /// When it was added.
    pub created_at: i64,
    /// When it was retired.
    pub retired_at: Option<i64>,
}

/// A key to add.
#[derive(Debug)]
pub struct NewKey {
    /// The name of the key.
    pub name: String,
    /// The public name of the master key that encrypts it.
    pub master: String,
    /// The key.
    pub key: WrappedSigningKey,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Whether to retire the current one first.
    pub retire: bool,
}

/// What a database does for signing keys: statements, without decisions. Every error is `Unavailable`.
#[async_trait]
pub trait SigningTable: Send + Sync {
    /// The workspace of the ledger.
    fn workspace(&self) -> &str;

    /// Time and randomness.
    fn clock(&self) -> &Arc<dyn Clock>;

    /// The current key of that name, and the master key that encrypts it.
    async fn in_use(&self, name: &str) -> Result<Option<(String, WrappedSigningKey)>, Failure>;

    /// The master key.
    async fn master(&self) -> Result<Option<String>, Failure>;

    /// Adds a key unless there is one; `false`, without a change, if the ledger has another master key by now.
    async fn add(&self, new: NewKey) -> Result<bool, Failure>;

    /// All keys, oldest first.
    async fn all(&self) -> Result<Vec<PublicRow>, Failure>;

    /// Adds public keys of others. Known ones are not changed.
    async fn learn(&self, keys: &[VerifierKey], at: DateTime<Utc>) -> Result<(), Failure>;
}

/// Signing keys in a database, encrypted with the master key that the database names.
pub struct StoredSigningKeys<T> {
    table: T,
    keyring: Keyring,
}

impl<T: SigningTable> StoredSigningKeys<T> {
    /// Keys in this table, whose master key is one of `keyring`.
    pub fn over(table: T, keyring: Keyring) -> Self {
        Self { table, keyring }
    }

    fn name(&self) -> String {
        origin(self.table.workspace())
    }

    async fn in_use(&self) -> Result<Option<SigningKey>, Failure> {
        let Some((master, wrapped)) = self.table.in_use(&self.name()).await? else { return Ok(None) };
        let key = self.keyring.find(&master).and_then(|master| wrapped.open(&master, self.table.workspace()));
        key.map(Some).ok_or_else(|| Failure::WrongMaster(self.name()))
    }

    /// Adds a new key, after retiring the current one if requested.
    async fn add(&self, retire: bool) -> Result<(), Failure> {
        let clock = self.table.clock();
        let at = clock.now();
        let master = match self.table.master().await? {
            Some(id) => self.keyring.find(&id),
            None => self.keyring.newest(),
        };
        let master = master.ok_or_else(|| Failure::WrongMaster(self.name()))?;
        let key = WrappedSigningKey::make(&master, self.table.workspace(), |bytes| clock.fill(bytes));
        let key = key.map_err(|e| Failure::Unavailable(e.to_string()))?;
        let new = NewKey { name: self.name(), master: master.id().to_owned(), key, at, retire };
        if self.table.add(new).await? {
            return Ok(());
        }
        Err(Failure::Unavailable("the master key is being rotated: retry".to_owned()))
    }

    async fn signer_now(&self) -> Result<SigningKey, Failure> {
        let key = self.in_use().await?;
        key.ok_or_else(|| Failure::Unavailable("the new key is missing".to_owned()))
    }
}

#[async_trait]
impl<T: SigningTable> SigningKeys for StoredSigningKeys<T> {
    async fn signer(&self) -> Result<SigningKey, Failure> {
        if let Some(key) = self.in_use().await? {
            return Ok(key);
        }
        // Of concurrent callers the first one wins; all use the stored key.
        self.add(false).await?;
        self.signer_now().await
    }

    async fn known(&self) -> Result<Vec<KnownKey>, Failure> {
        self.table.all().await?.into_iter().map(known).collect()
    }

    async fn rotate(&self) -> Result<SigningKey, Failure> {
        self.add(true).await?;
        self.signer_now().await
    }

    async fn learn(&self, keys: &[VerifierKey]) -> Result<(), Failure> {
        self.table.learn(keys, self.table.clock().now()).await
    }
}

fn known(row: PublicRow) -> Result<KnownKey, Failure> {
    let bad = || Failure::Unavailable("a row of signing_keys cannot be read".to_owned());
    let public = row.public.as_slice().try_into().map_err(|_| bad())?;
    let verifier = VerifierKey::new(row.name, public).map_err(|_| bad())?;
    let at = |micros| DateTime::from_timestamp_micros(micros).ok_or_else(bad);
    Ok(KnownKey { verifier, created_at: at(row.created_at)?, retired_at: row.retired_at.map(at).transpose()? })
}
