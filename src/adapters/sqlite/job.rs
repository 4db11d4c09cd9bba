//! What the writer is asked to do, and the way back to the caller.

use futures::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use crate::{
    domain::ids::Position, ledger::grouping::Append, ports::event_store::Failure, record::envelope::StoredEvent,
};

/// Events to restore, with the channel for the result.
pub(super) struct Restore {
    pub events: Vec<StoredEvent>,
    pub reply: oneshot::Sender<Result<Position, Failure>>,
}

/// A write to another table, done between two groups.
pub(super) type Work =
    Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), sqlx::Error>> + Send>;

/// A job of the writer.
pub(super) enum Job {
    /// An append, to be grouped with others.
    Append(Append),
    /// Events to restore at their positions.
    Restore(Restore),
    /// A transaction on other tables, and its result.
    Work(Work, oneshot::Sender<Result<(), String>>),
    /// Writes the log to the file and truncates it; `false` if a reader prevented that.
    TruncateLog(oneshot::Sender<Result<bool, String>>),
    /// Stops the thread.
    Close(oneshot::Sender<()>),
}
