//! How the writer is doing, for `/health` and the metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// A snapshot of the writer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterState {
    /// Appends that wait for their group.
    pub queued: usize,
    /// When the last group became durable; `None` before the first of this process.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// Groups made durable by this process.
    pub commits: u64,
    /// Events made durable by this process.
    pub events: u64,
    /// How often the writer had to close and reopen the ledger.
    pub failures: u64,
    /// Why nothing is acknowledged at the moment; `None` while all is well.
    pub failing: Option<String>,
}

/// The part the writer keeps.
#[derive(Debug, Default)]
pub struct SharedWriterState(Mutex<WriterState>);

impl SharedWriterState {
    /// What is known now, to be read or changed.
    pub fn get(&self) -> MutexGuard<'_, WriterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
