//! What the writer is asked to do, and the way back to the caller.

use tokio::sync::oneshot;

use crate::ledger::grouping::Append;

/// A job of the writer.
pub(super) enum Job {
    /// An append, to be grouped with others.
    Append(Append),
    /// Stops the task.
    Close(oneshot::Sender<()>),
}
