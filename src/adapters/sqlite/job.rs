//! What the writer is asked to do, and the way back to the caller.

use futures::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use crate::{
    domain::ids::Position, ledger::grouping::Append, ports::event_store::Failure, record::envelope::StoredEvent,
};

/// Events to be restored, and the way back to the caller.
pub(super) struct Restore {
    pub events: Vec<StoredEvent>,
    pub reply: oneshot::Sender<Result<Position, Failure>>,
}

/// Another table's write, done between two groups.
pub(super) type Work =
    Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), sqlx::Error>> + Send>;

/// What the writer is asked to do.
pub(super) enum Job {
    /// An append, to be grouped with its neighbours.
    Append(Append),
    /// Events that come back at their places.
    Restore(Restore),
    /// A transaction on other tables, and what came of it.
    Work(Work, oneshot::Sender<Result<(), String>>),
    /// Moves the log into the file and cuts it; `false` where a reader prevented that.
    TruncateLog(oneshot::Sender<Result<bool, String>>),
    /// Ends the thread.
    Close(oneshot::Sender<()>),
}
