//! State of the writer, for `/health` and the metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// A snapshot of the writer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterState {
    /// Appends waiting for a group.
    pub queued: usize,
    /// When the last group became durable; `None` before the first one of this process.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// Groups committed by this process.
    pub commits: u64,
    /// Events committed by this process.
    pub events: u64,
    /// How often the writer had to close and reopen the ledger.
    pub failures: u64,
    /// Why appends are not acknowledged at present; `None` if they are.
    pub failing: Option<String>,
}

/// The writer's own handle.
#[derive(Debug, Default)]
pub struct SharedWriterState(Mutex<WriterState>);

impl SharedWriterState {
    /// Access to the state.
    pub fn get(&self) -> MutexGuard<'_, WriterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
