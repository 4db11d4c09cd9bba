//! Errors of services.

use crate::{
    domain::booking::Refusal,
    ports::{checkpoint_archive, event_store, signing_keys, tokens, vault},
};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No such resource.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// The kind of resource.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The request is not possible in the present state.
    #[error("{0}")]
    Invalid(String),
    /// Too many conflicts with other changes.
    #[error("it is being changed by another request; retry")]
    Busy,
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] event_store::Failure),
    /// The key vault failed.
    #[error(transparent)]
    Vault(#[from] vault::Failure),
    /// A stored event cannot be read.
    #[error("{stream}@{version}: {reason}")]
    Damaged {
        /// Its stream.
        stream: String,
        /// Its version there.
        version: u64,
        /// Why it cannot be read.
        reason: String,
    },
    /// The token store failed.
    #[error(transparent)]
    Tokens(#[from] tokens::Unavailable),
    /// The store of signing keys failed.
    #[error(transparent)]
    SigningKeys(#[from] signing_keys::Failure),
    /// The folder of checkpoints failed.
    #[error(transparent)]
    CheckpointArchive(#[from] checkpoint_archive::Failure),
    /// The read models failed.
    #[error("the read models are not available: {0}")]
    ReadModels(String),
}

impl Error {
    /// Whether another process changed the stream first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Ledger(event_store::Failure::Conflict { .. }))
    }
}
