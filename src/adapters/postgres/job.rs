//! What the writer is asked to do, and the way back to the caller.

use tokio::sync::oneshot;

use crate::ledger::grouping::Append;

/// What the writer is asked to do.
pub(super) enum Job {
    /// An append, to be grouped with its neighbours.
    Append(Append),
    /// Ends the task.
    Close(oneshot::Sender<()>),
}
