//! The writer: a task that commits queued appends in groups.
//!
//! A caller is answered only after the commit of its group was acknowledged. If a commit fails, its outcome is
//! unknown: the writer reports that to everyone, reconnects, waits for its old session to end, checks that everything
//! acknowledged is stored, and only then continues (`recovery.rs`). This is its handle; the task is in `task.rs`.

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

/// Maximum number of queued jobs. More callers wait for a place in the queue.
pub(super) const QUEUE_JOBS_MAX: usize = 8_192;

/// Handle of the writer's task.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    shared_state: Arc<SharedWriterState>,
}

impl Writer {
    /// Starts the task on an open session of a ledger that ends at `end`.
    pub(super) fn start(
        server: Server,
        connection: PgConnection,
        end: watch::Sender<u64>,
        written: watch::Sender<u64>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let shared_state = Arc::new(SharedWriterState::default());
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
            shared_state: Arc::clone(&shared_state),
        };
        tokio::spawn(async move { task.run().await });
        Self { jobs, shared_state }
    }

    pub(super) async fn append(&self, append: Append) -> Result<(), Failure> {
        self.jobs.send(Job::Append(append)).await.map_err(|_| Failure::Unavailable(CLOSED.to_owned()))
    }

    /// Stops the task after the queued jobs, and closes its session.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).await.is_ok() {
            closed.await.ok();
        }
    }

    pub(super) fn state(&self) -> WriterState {
        let queued = QUEUE_JOBS_MAX - self.jobs.capacity();
        WriterState { queued, ..self.shared_state.get().clone() }
    }
}

/// Message to callers after the ledger was closed.
const CLOSED: &str = "the ledger is closed";
