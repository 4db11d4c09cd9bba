//! The one that writes: a task that groups what callers have queued into durable commits.
//!
//! A caller is answered after its group's commit has been acknowledged, never before. When a commit fails its outcome is
//! unknown: the writer tells everyone so, connects anew, waits for whatever its old session may still be doing, looks whether
//! everything acknowledged is there, and only then goes on (`recovery.rs`). Here is the way to it; the task is in `task.rs`.

use std::sync::Arc;

use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot, watch};

use super::{address::Server, job::Job, task::Task};
use crate::{
    ledger::{
        grouping::{Append, KnownEnds},
        writer_state::{SharedWriterState, WriterState},
    },
    ports::{clock::Clock, event_store::Failure},
};

/// Jobs that may wait for the writer. A caller beyond that waits for a place in the queue.
pub(super) const QUEUE_JOBS_MAX: usize = 8_192;

/// The way to the writer's task.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    kept: Arc<SharedWriterState>,
}

impl Writer {
    /// Starts the task on a session that is open already, on a ledger that ends at `end`.
    pub(super) fn start(
        server: Server,
        connection: PgConnection,
        end: watch::Sender<u64>,
        written: watch::Sender<u64>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let kept = Arc::new(SharedWriterState::default());
        let known = Some(KnownEnds::at(*end.borrow()));
        let mut task = Task {
            server,
            connection: Some(connection),
            known,
            acknowledged: 0,
            queue,
            end,
            written,
            clock,
            kept: Arc::clone(&kept),
        };
        tokio::spawn(async move { task.run().await });
        Self { jobs, kept }
    }

    pub(super) async fn append(&self, append: Append) -> Result<(), Failure> {
        self.jobs.send(Job::Append(append)).await.map_err(|_| Failure::Unavailable(CLOSED.to_owned()))
    }

    /// Ends the task after what is queued, with its session closed.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).await.is_ok() {
            closed.await.ok();
        }
    }

    pub(super) fn state(&self) -> WriterState {
        let queued = QUEUE_JOBS_MAX - self.jobs.capacity();
        WriterState { queued, ..self.kept.get().clone() }
    }
}

/// What callers of a closed ledger are told.
const CLOSED: &str = "it is closed";
