//! The writer: a thread that commits queued appends in groups.
//!
//! A caller is answered only after COMMIT of its group has returned. If a commit fails, its outcome is unknown
//! and a later successful fsync proves nothing: the writer reports that to everyone, closes, reopens, writes the whole log to
//! the file (with a new write and a new fsync), checks that everything acknowledged is stored, and only then continues
//! (`recovery.rs`). This is its handle; the thread is in `thread.rs`.

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

/// Maximum number of queued jobs. More callers wait for a place in the queue.
pub(super) const QUEUE_JOBS_MAX: usize = 8_192;

/// Handle of the writer's thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    shared_state: Arc<SharedWriterState>,
}

impl Writer {
    /// Starts the thread on an open connection of a ledger that ends at `end`.
    pub(super) fn start(
        path: std::path::PathBuf,
        connection: SqliteConnection,
        inserter: Inserter,
        end: watch::Sender<u64>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let shared_state = Arc::new(SharedWriterState::default());
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
            shared_state: Arc::clone(&shared_state),
        };
        // A thread, not a task: waking it needs no runtime, and its waits block nobody else.
        std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || futures::executor::block_on(thread.run()))?;
        Ok(Self { jobs, shared_state })
    }

    pub(super) async fn append(&self, append: Append) -> Result<(), Failure> {
        self.jobs.send(Job::Append(append)).await.map_err(|_| Failure::Unavailable(CLOSED.to_owned()))
    }

    pub(super) async fn restore(&self, restore: Restore) -> Result<(), Failure> {
        self.jobs.send(Job::Restore(restore)).await.map_err(|_| Failure::Unavailable(CLOSED.to_owned()))
    }

    /// Runs `work` in a durable transaction between two groups, and returns its result.
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

    /// Empties the write-ahead log; `false` if a reader prevented that.
    pub(super) async fn truncate_log(&self) -> Result<bool, String> {
        let (done, outcome) = oneshot::channel();
        self.jobs.send(Job::TruncateLog(done)).await.map_err(|_| CLOSED.to_owned())?;
        outcome.await.map_err(|_| CLOSED.to_owned())?
    }

    /// Stops the thread after the queued jobs, and closes its connection.
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
