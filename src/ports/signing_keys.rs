//! The keys that checkpoints are signed with. One is in use; those before it stay known, so that what they signed can be
//! verified.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::record::note::{SigningKey, VerifierKey};

/// A public key that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The key.
    pub verifier: VerifierKey,
    /// Since when it is known.
    pub created_at: DateTime<Utc>,
    /// Since when nothing is signed with it; `None` for the one in use.
    pub retired_at: Option<DateTime<Utc>>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store behind it cannot be reached, or a row in it cannot be read.
    #[error("the signing keys are not available: {0}")]
    Unavailable(String),
    /// It does not open under the master key.
    #[error("the signing key {0} does not open under the master key: is this the ledger's own master key?")]
    WrongMaster(String),
}

/// The keys. Private ones are stored wrapped under the master key, as subjects' keys are.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// The key in use, made now where there was none. Two callers at once get the same.
    ///
    /// # Errors
    /// See [`Failure`].
    async fn signer(&self) -> Result<SigningKey, Failure>;

    /// Every key that is known, the oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn known(&self) -> Result<Vec<KnownKey>, Failure>;

    /// Makes a new key and retires the one before it, whose private half is forgotten.
    ///
    /// # Errors
    /// See [`Failure`].
    async fn rotate(&self) -> Result<SigningKey, Failure>;

    /// Makes public keys known that others signed with: those of an imported ledger. Known ones stay as they are.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn learn(&self, keys: &[VerifierKey]) -> Result<(), Failure>;
}
