//! The ledger's database as something that is kept running: how its writer is doing, and how it is closed.

use async_trait::async_trait;

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: String,
    /// How it is.
    pub found: String,
    /// What to do; `None` where all is well.
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), found: found.into(), fix: None }
    }

    /// It works, and could be better.
    pub fn warning(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), found: found.into(), fix: Some(fix.into()) }
    }
}

/// What the shell asks of the database behind the ledger.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Why nothing is acknowledged at the moment; `None` while all is well.
    fn failing(&self) -> Option<String>;

    /// How the database is set up, for an operator who asks. Nothing where there is nothing to set up.
    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Looks the database itself through, below what the ledger's port shows: pages, indexes, guards against changes. One
    /// sentence for each thing that is wrong; none where all is well, or where the database offers no such look.
    ///
    /// # Errors
    /// In words, where the look could not be finished.
    async fn inspect(&self) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    /// Makes durable what is queued and lets go of the database. Every later append or read answers `Unavailable`.
    async fn close(&self);
}
