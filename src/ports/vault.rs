//! Keys of subjects: they decrypt personal data in events, and are destroyed to erase a person.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::domain::ids::SubjectId;

/// A subject's key, 256 bits, with the id that sealed data refers to. Not printed by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct SubjectKey {
    /// Id stored next to the ciphertext.
    pub id: String,
    /// XChaCha20-Poly1305 key.
    pub bytes: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SubjectKey({})", self.id)
    }
}

/// What the vault knows about a subject.
#[derive(Debug, Clone)]
pub enum KeyState {
    /// It never had a key.
    Unknown,
    /// Its key.
    Held(SubjectKey),
    /// Its key was destroyed at this time: what was sealed under it is unreadable.
    Destroyed(DateTime<Utc>),
}

/// Why the vault failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store is unavailable.
    #[error("the key vault is not available: {0}")]
    Unavailable(String),
    /// A stored key cannot be decrypted with the master key: the wrong master key, or damage.
    #[error(
        "the key of subject {0} cannot be decrypted with the master key: check that it is this ledger's own master key"
    )]
    WrongMaster(SubjectId),
    /// Secrets are encrypted with a master key that this process does not have.
    #[error(
        "secrets are encrypted with the master key {0}, which the key file does not contain: check that it is this ledger's own, as of \
         the last rotation"
    )]
    NoMaster(String),
    /// The subject was erased; no new data may be sealed for it.
    #[error("subject {0} was erased: its data can no longer be recorded")]
    Forgotten(SubjectId),
}

/// The vault. Keys are encrypted with the master key (associated data = workspace, table, row, column, key id).
#[async_trait]
pub trait Vault: Send + Sync {
    /// What is known about `subject`.
    ///
    /// # Errors
    /// `Unavailable` or `WrongMaster`.
    async fn key(&self, subject: &SubjectId) -> Result<KeyState, Failure>;

    /// The key of `subject`, created if there is none. Concurrent callers get the same one.
    ///
    /// # Errors
    /// `Forgotten` if the key was destroyed.
    async fn key_or_new(&self, subject: &SubjectId) -> Result<SubjectKey, Failure>;

    /// Destroys the key permanently. Idempotent. A subject that never had a key is marked as erased too.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure>;
}
