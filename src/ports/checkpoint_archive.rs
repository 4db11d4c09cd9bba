//! Checkpoints outside the ledger: files that can be copied elsewhere, and that an older copy of the ledger cannot explain.

/// Why a checkpoint is not kept.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// One of the same size with another root is there: one of both histories is not true.
    #[error(
        "{0} holds a checkpoint of the same size with another root: this ledger was changed or is an older copy that went on; run `audit verify`, and move the file away only if you know why"
    )]
    Contradicted(String),
    /// One covers more events than there are.
    #[error(
        "{place} holds a checkpoint over {size} events, but the ledger has {end}: it is an older copy, or events were removed; run `audit verify`, and move the file away only if you know why"
    )]
    Ahead {
        /// Where it is kept.
        place: String,
        /// How many events it covers.
        size: u64,
        /// How many there are.
        end: u64,
    },
    /// The folder cannot be used.
    #[error("checkpoints cannot be kept in {place}: {reason}")]
    Unavailable {
        /// Where.
        place: String,
        /// What the file system said.
        reason: String,
    },
}

/// A checkpoint that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedCheckpoint {
    /// Where it stands, for people.
    pub place: String,
    /// The signed note.
    pub note: String,
}

/// A place for checkpoints.
pub trait CheckpointArchive: Send + Sync {
    /// Keeps a signed note over `size` events, durably. What is kept already stays.
    ///
    /// # Errors
    /// See [`Failure`].
    fn keep(&self, size: u64, note: &str) -> Result<(), Failure>;

    /// Everything that is kept, by size. Notes are not checked.
    ///
    /// # Errors
    /// `Unavailable`.
    fn all(&self) -> Result<Vec<ArchivedCheckpoint>, Failure>;
}
