//! Why a service did not do what it was asked.

use crate::{
    domain::booking::Refusal,
    ports::{checkpoint_archive, event_store, signing_keys, tokens, vault},
};

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such thing.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// What was asked for.
        what: &'static str,
        /// Under what name.
        id: String,
    },
    /// What was asked for makes no sense as things are.
    #[error("{0}")]
    Invalid(String),
    /// Others changed the same thing again and again meanwhile.
    #[error("the same thing is being changed by others; try again")]
    Busy,
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] event_store::Failure),
    /// The keys of subjects.
    #[error(transparent)]
    Vault(#[from] vault::Failure),
    /// A stored event cannot be read.
    #[error("{stream}@{version}: {reason}")]
    Damaged {
        /// Its stream.
        stream: String,
        /// Its version there.
        version: u64,
        /// What hinders.
        reason: String,
    },
    /// The tokens.
    #[error(transparent)]
    Tokens(#[from] tokens::Unavailable),
    /// The keys that checkpoints are signed with.
    #[error(transparent)]
    SigningKeys(#[from] signing_keys::Failure),
    /// The checkpoints that are kept outside the ledger.
    #[error(transparent)]
    CheckpointArchive(#[from] checkpoint_archive::Failure),
    /// The read models.
    #[error("the read models are not available: {0}")]
    ReadModels(String),
}

impl Error {
    /// Whether somebody else changed the stream first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Ledger(event_store::Failure::Conflict { .. }))
    }
}
