//! Checkpoints of workers other than projections (the reactor, the publisher), stored with the ledger.

use async_trait::async_trait;

use crate::domain::ids::Position;

/// The checkpoint store is unavailable.
#[derive(Debug, thiserror::Error)]
#[error("checkpoints are not available: {0}")]
pub struct Unavailable(pub String);

/// Checkpoints by worker name.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// The position a worker reads next; 0 if it never saved one.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn load(&self, worker: &str) -> Result<Position, Unavailable>;

    /// Saves a position. A lower one than stored is ignored: of several processes, the furthest counts.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn save(&self, worker: &str, next: Position) -> Result<(), Unavailable>;
}
