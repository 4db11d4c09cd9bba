//! The ledger's database as something that is kept running: how its writer is doing, and how it is closed.

use async_trait::async_trait;

/// What the shell asks of the database behind the ledger.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Why nothing is acknowledged at the moment; `None` while all is well.
    fn failing(&self) -> Option<String>;

    /// Looks the database itself through, below what the ledger's port shows: pages, indexes, guards against changes. One
    /// sentence for each thing that is wrong; none where all is well, or where the database offers no such look.
    ///
    /// # Errors
    /// In words, where the look could not be finished.
    async fn examine(&self) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    /// Makes durable what is queued and lets go of the database. Every later append or read answers `Unavailable`.
    async fn close(&self);
}
