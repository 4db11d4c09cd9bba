//! The one that writes: a thread that groups what callers have queued into durable commits.
//!
//! A caller is answered after its group's COMMIT has returned, never before. When a commit fails, its outcome is unknown
//! and a later fsync that succeeds proves nothing: the writer tells everyone so, closes, reopens, moves the whole log into
//! the file (a new write and a new fsync of all of it), looks whether everything acknowledged is there, and only then goes on
//! (`recovery.rs`). Here is the way to it; the thread itself is in `thread.rs`.

use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    inserter::Inserter,
    job::{Job, Restore, Work},
    thread::Thread,
};
use crate::{
    ledger::{
        grouping::{Append, KnownEnds},
        writer_state::{SharedWriterState, WriterState},
    },
    ports::{clock::Clock, event_store::Failure},
};

/// Jobs that may wait for the writer. A caller beyond that waits for a place in the queue.
pub(super) const QUEUE_JOBS_MAX: usize = 8_192;

/// The way to the writer's thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    kept: Arc<SharedWriterState>,
}

impl Writer {
    /// Starts the thread on a connection that is open already, on a ledger that ends at `end`.
    pub(super) fn start(
        path: std::path::PathBuf,
        connection: SqliteConnection,
        inserter: Inserter,
        end: watch::Sender<u64>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let kept = Arc::new(SharedWriterState::default());
        let known = Some(KnownEnds::at(*end.borrow()));
        let mut thread = Thread {
            path,
            connection: Some(connection),
            inserter: Some(inserter),
            known,
            acknowledged: 0,
            queue,
            end,
            clock,
            kept: Arc::clone(&kept),
        };
        // A thread of its own, not a task: waking it costs no round through a runtime, and its pauses stop nobody else.
        std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || futures::executor::block_on(thread.run()))?;
        Ok(Self { jobs, kept })
    }

    pub(super) async fn append(&self, append: Append) -> Result<(), Failure> {
        self.jobs.send(Job::Append(append)).await.map_err(|_| Failure::Unavailable(CLOSED.to_owned()))
    }

    pub(super) async fn restore(&self, restore: Restore) -> Result<(), Failure> {
        self.jobs.send(Job::Restore(restore)).await.map_err(|_| Failure::Unavailable(CLOSED.to_owned()))
    }

    /// Runs `work` in a durable transaction between two groups, and answers what it made.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, String>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        let (made, taken) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            Box::pin(async move {
                let value = work(connection).await?;
                made.send(value).ok();
                Ok(())
            })
        });
        self.jobs.send(Job::Work(work, done)).await.map_err(|_| CLOSED.to_owned())?;
        outcome.await.map_err(|_| CLOSED.to_owned())??;
        taken.await.map_err(|_| CLOSED.to_owned())
    }

    /// Leaves nothing in the write-ahead log; `false` where a reader prevented that.
    pub(super) async fn truncate_log(&self) -> Result<bool, String> {
        let (done, outcome) = oneshot::channel();
        self.jobs.send(Job::TruncateLog(done)).await.map_err(|_| CLOSED.to_owned())?;
        outcome.await.map_err(|_| CLOSED.to_owned())?
    }

    /// Ends the thread after what is queued, with its connection closed.
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
