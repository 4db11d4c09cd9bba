//! Keys of subjects: what makes personal data in events readable, and what is destroyed to forget a person.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::domain::ids::SubjectId;

/// A subject's key, 256 bits, with the id under which sealed data names it. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct SubjectKey {
    /// Stands beside the ciphertext.
    pub id: String,
    /// XChaCha20-Poly1305 key.
    pub bytes: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SubjectKey({})", self.id)
    }
}

/// What the vault knows of a subject.
#[derive(Debug, Clone)]
pub enum KeyState {
    /// It never had a key.
    Unknown,
    /// Its key.
    Held(SubjectKey),
    /// Its key was destroyed then: what was sealed under it cannot be read any more.
    Destroyed(DateTime<Utc>),
}

/// Why the vault gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store behind it cannot be reached.
    #[error("the key vault is not available: {0}")]
    Unavailable(String),
    /// A wrapped key does not open under the master key: the wrong master key, or damage.
    #[error("the key of subject {0} does not open under the master key: is this the ledger's own master key?")]
    WrongMaster(SubjectId),
    /// Secrets are wrapped under a master key that this process does not have.
    #[error(
        "secrets are wrapped under the master key {0}, which the key file does not have: is it this ledger's own, as it is \
         since the last rotation?"
    )]
    NoMaster(String),
    /// The subject was forgotten; nothing new may be sealed under its name.
    #[error("subject {0} was forgotten: its data cannot be recorded any more")]
    Forgotten(SubjectId),
}

/// The vault. Keys are stored wrapped under the master key (safety: associated data = workspace, table, row, column, key id).
#[async_trait]
pub trait Vault: Send + Sync {
    /// What is known of `subject`.
    ///
    /// # Errors
    /// `Unavailable` or `WrongMaster`.
    async fn key(&self, subject: &SubjectId) -> Result<KeyState, Failure>;

    /// The key of `subject`, made now where there was none. Two callers at once get the same key.
    ///
    /// # Errors
    /// `Forgotten` where the key was destroyed.
    async fn key_or_new(&self, subject: &SubjectId) -> Result<SubjectKey, Failure>;

    /// Destroys the key for good. Doing it again changes nothing. A subject that never had a key is marked forgotten too.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure>;
}
