//! The ledger's database as something that is kept running: how its writer is doing, and how it is closed.

use async_trait::async_trait;

/// What the shell asks of the database behind the ledger.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Why nothing is acknowledged at the moment; `None` while all is well.
    fn failing(&self) -> Option<String>;

    /// Makes durable what is queued and lets go of the database. Every later append or read answers `Unavailable`.
    async fn close(&self);
}
