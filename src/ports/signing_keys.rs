//! Keys that sign checkpoints. One is in use; earlier ones stay known, so that their signatures can be
//! verified.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::record::note::{SigningKey, VerifierKey};

/// A public key of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The key.
    pub verifier: VerifierKey,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was retired; `None` for the current one.
    pub retired_at: Option<DateTime<Utc>>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store is unavailable, or a row cannot be read.
    #[error("the signing keys are not available: {0}")]
    Unavailable(String),
    /// It cannot be decrypted with the master key.
    #[error(
        "the signing key {0} cannot be decrypted with the master key: check that it is this ledger's own master key"
    )]
    WrongMaster(String),
}

/// The signing keys. Private keys are encrypted with the master key, as subjects' keys are.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// The current key, created if there is none. Concurrent callers get the same one.
    ///
    /// # Errors
    /// See [`Failure`].
    async fn signer(&self) -> Result<SigningKey, Failure>;

    /// All known keys, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn known(&self) -> Result<Vec<KnownKey>, Failure>;

    /// Creates a new key and retires the current one, whose private half is deleted.
    ///
    /// # Errors
    /// See [`Failure`].
    async fn rotate(&self) -> Result<SigningKey, Failure>;

    /// Adds public keys of others, such as those of an imported ledger. Known ones are not changed.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn learn(&self, keys: &[VerifierKey]) -> Result<(), Failure>;
}
