//! How far workers that are no projections have come: the reactor, the publisher. Kept with the ledger.

use async_trait::async_trait;

use crate::domain::ids::Position;

/// The store behind it cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("checkpoints are not available: {0}")]
pub struct Unavailable(pub String);

/// Checkpoints by the worker's name.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// The position that the worker reads next; 0 where it never saved one.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn load(&self, worker: &str) -> Result<Position, Unavailable>;

    /// Saves a position. One that is lower than what is saved changes nothing: of several processes the farthest counts.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn save(&self, worker: &str, next: Position) -> Result<(), Unavailable>;
}
