//! Checkpoints outside the ledger: files that can be copied elsewhere, and that reveal a rollback of the ledger.

/// Why a checkpoint was not saved.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A checkpoint of the same size has a different root: one of the two histories was changed.
    #[error(
        "{0} contains a checkpoint of the same size with a different root: this ledger was changed, or is an older copy that was continued; run `audit verify`, and move the file away only if you know the reason"
    )]
    Contradicted(String),
    /// A checkpoint covers more events than the ledger has.
    #[error(
        "{place} contains a checkpoint over {size} events, but the ledger has {end}: it is an older copy, or events were removed; run `audit verify`, and move the file away only if you know the reason"
    )]
    Ahead {
        /// Path of the checkpoint.
        place: String,
        /// Number of events it covers.
        size: u64,
        /// Number of events in the ledger.
        end: u64,
    },
    /// The folder cannot be used.
    #[error("cannot store checkpoints in {place}: {reason}")]
    Unavailable {
        /// Path of the folder.
        place: String,
        /// The error of the file system.
        reason: String,
    },
}

/// A saved checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedCheckpoint {
    /// Its path, for messages.
    pub place: String,
    /// The signed note.
    pub note: String,
}

/// A folder of checkpoints.
pub trait CheckpointArchive: Send + Sync {
    /// Saves a signed note over `size` events, durably. Existing files are never overwritten.
    ///
    /// # Errors
    /// See [`Failure`].
    fn keep(&self, size: u64, note: &str) -> Result<(), Failure>;

    /// All saved checkpoints, by size. Notes are not verified.
    ///
    /// # Errors
    /// `Unavailable`.
    fn all(&self) -> Result<Vec<ArchivedCheckpoint>, Failure>;
}
