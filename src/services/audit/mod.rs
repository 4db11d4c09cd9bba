//! The audit trail: seals the ledger, proves its contents, and finds changes.
//!
//! `docs/operating/audit.md` explains how an auditor uses it.

mod fault;
mod latest;
mod proof;
mod seal;
mod sealer;
mod verify;
mod verify_lines;
mod walk;

use std::sync::Arc;

pub use fault::Fault;
pub use latest::RecordedSeal;
pub use proof::{Continuity, Inclusion, Side};
pub use seal::Outcome;
pub use sealer::run;
pub use verify::{Report, VerifyOptions};
pub use verify_lines::{Contents, verify_lines};

use super::{Error, journal::Journal};
use crate::{
    ports::{checkpoint_archive::CheckpointArchive, event_store::EventStore, signing_keys::SigningKeys},
    record::{checkpoint::origin, note::VerifierKey, stream::StreamName},
};

/// Events per read.
const PAGE_EVENTS: usize = 4_096;

/// Leaf hashes per read.
pub(super) const PAGE_LEAVES: usize = 65_536;

/// The ledger with its signing keys.
#[derive(Clone)]
pub struct Audit {
    workspace: String,
    journal: Journal,
    keys: Arc<dyn SigningKeys>,
    archive: Arc<dyn CheckpointArchive>,
}

impl Audit {
    /// Joins a workspace's ledger, its signing keys, and the checkpoint folder.
    pub fn new(
        workspace: impl Into<String>,
        journal: Journal,
        keys: Arc<dyn SigningKeys>,
        archive: Arc<dyn CheckpointArchive>,
    ) -> Self {
        Self { workspace: workspace.into(), journal, keys, archive }
    }

    /// The signing keys.
    pub fn keys(&self) -> &Arc<dyn SigningKeys> {
        &self.keys
    }

    /// Origin line of this ledger's checkpoints (C2SP tlog-checkpoint).
    pub fn origin(&self) -> String {
        origin(&self.workspace)
    }

    /// The stream that records checkpoints.
    pub fn stream(&self) -> StreamName {
        StreamName::operations(&self.workspace)
    }

    /// The ledger.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        self.journal.store()
    }

    /// All public keys of this ledger.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub async fn known(&self) -> Result<Vec<VerifierKey>, Error> {
        Ok(self.keys.known().await?.into_iter().map(|known| known.verifier).collect())
    }
}
