//! Operation of the ledger's database: state of its writer, checks, and closing.

use async_trait::async_trait;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub name: String,
    /// What was found.
    pub found: String,
    /// What to do; `None` if all is well.
    pub fix: Option<String>,
}

impl Finding {
    /// A passed check.
    pub fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), found: found.into(), fix: None }
    }

    /// A check that works but could be improved.
    pub fn warning(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), found: found.into(), fix: Some(fix.into()) }
    }
}

/// Operation of the database behind the ledger.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Why appends are not acknowledged at present; `None` if they are.
    fn failing(&self) -> Option<String>;

    /// Checks of the database's settings, for `doctor`. Empty if there is nothing to configure.
    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Checks the database below the ledger's interface: pages, indexes, triggers. One sentence per problem; empty if all is
    /// well, or if the database has no such check.
    ///
    /// # Errors
    /// Why the check could not be completed.
    async fn inspect(&self) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    /// Flushes queued events and closes the database. Later appends and reads fail with `Unavailable`.
    async fn close(&self);
}
