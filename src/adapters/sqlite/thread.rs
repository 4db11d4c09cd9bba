//! The writer's thread: commits queued appends in groups, and answers.

use std::{path::PathBuf, sync::Arc};

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::sync::{mpsc, watch};

use super::{
    failure::{WriteFailure, describe},
    inserter::Inserter,
    job::{Job, Work},
    rows::corrupt,
    sql,
    transact::{settle, write_judged},
};
use crate::{
    ledger::{
        grouping::{Append, GROUP_BYTES_MAX, GROUP_EVENTS_MAX, KnownEnds, Plan, predict},
        writer_state::SharedWriterState,
    },
    ports::{
        clock::Clock,
        event_store::{AppendOutcome, Failure},
    },
};

/// Attempts to get a lock held by another process. Each waits up to 100 ms: about ten seconds in all.
pub(super) const BUSY_TRIES_MAX: usize = 100;

/// The result for one caller of a group.
type Answer = Result<AppendOutcome, Failure>;

/// State of the thread.
pub(super) struct Thread {
    pub path: PathBuf,
    /// Connection for everything but events; `None` between a failure and reopening.
    pub connection: Option<SqliteConnection>,
    /// Connection for events; `None` between a failure and reopening.
    pub inserter: Option<Inserter>,
    /// `None` after a surprise: the next group is judged with queries.
    pub known: Option<KnownEnds>,
    /// Everything before this position was acknowledged by this process.
    pub acknowledged: u64,
    pub queue: mpsc::Receiver<Job>,
    pub end: watch::Sender<u64>,
    pub clock: Arc<dyn Clock>,
    pub shared_state: Arc<SharedWriterState>,
}

impl Thread {
    /// Runs until the ledger is closed or no handle is left.
    pub(super) async fn run(&mut self) {
        while let Some(job) = self.queue.recv().await {
            let mut next = Some(job);
            while let Some(job) = next.take() {
                match job {
                    Job::Append(first) => {
                        let (group, after) = self.collect(first);
                        next = after;
                        self.commit(group).await;
                    }
                    Job::Work(work, done) => {
                        let outcome = self.work(work).await;
                        done.send(outcome).ok();
                    }
                    Job::Restore(restore) => self.restore(restore).await,
                    Job::TruncateLog(done) => {
                        let outcome = self.truncate_log().await;
                        done.send(outcome).ok();
                    }
                    Job::Close(done) => {
                        self.queue.close();
                        self.shut().await;
                        done.send(()).ok();
                        return;
                    }
                }
            }
        }
        self.shut().await;
    }

    /// Writes the log to the file, which may be copied from then on: the read models' connections, which stay open, would leave it as it
    /// is. Whatever a reader in another process prevents stays in the log.
    async fn shut(&mut self) {
        self.inserter = None;
        if let Some(mut connection) = self.connection.take() {
            sqlx::query(sql::TRUNCATE_LOG).execute(&mut connection).await.ok();
            connection.close().await.ok();
        }
    }

    /// The group that starts with `first`, and the following job if one was received.
    fn collect(&mut self, first: Append) -> (Vec<Append>, Option<Job>) {
        let (mut events, mut bytes) = (first.request.events.len(), first.request.bytes());
        let mut group = vec![first];
        while events < GROUP_EVENTS_MAX && bytes < GROUP_BYTES_MAX {
            match self.queue.try_recv() {
                Ok(Job::Append(append)) => {
                    events += append.request.events.len();
                    bytes += append.request.bytes();
                    group.push(append);
                }
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Commits a group and answers it.
    async fn commit(&mut self, group: Vec<Append>) {
        let mut outcome = Err(WriteFailure::Busy);
        for _ in 0..BUSY_TRIES_MAX {
            outcome = self.attempt(&group).await;
            if !matches!(outcome, Err(WriteFailure::Busy)) {
                break;
            }
        }
        match outcome {
            Ok(answers) => {
                for (append, answer) in group.into_iter().zip(answers) {
                    // The caller may be gone.
                    append.reply.send(answer).ok();
                }
            }
            Err(trouble) => {
                if trouble != WriteFailure::Busy {
                    self.stop(trouble.message());
                }
                for append in group {
                    let failure = match &trouble {
                        WriteFailure::Damaged(message) => corrupt("the file", message),
                        WriteFailure::Busy | WriteFailure::Refused(_) | WriteFailure::Broken(_) => {
                            Failure::Unavailable(trouble.message().to_owned())
                        }
                    };
                    append.reply.send(Err(failure)).ok();
                }
                if trouble != WriteFailure::Busy {
                    self.recover().await;
                }
            }
        }
    }

    async fn attempt(&mut self, group: &[Append]) -> Result<Vec<Answer>, WriteFailure> {
        if let Some(plan) = self.known.as_ref().and_then(|known| predict(group, known)) {
            match open(&mut self.inserter)?.write(&plan.rows) {
                Ok(()) => return Ok(self.done(plan)),
                Err(WriteFailure::Refused(_)) => self.known = None,
                Err(trouble) => return Err(trouble),
            }
        }
        match write_judged(open(&mut self.connection)?, open(&mut self.inserter)?, group).await {
            Ok((known, plan)) => {
                self.known = Some(known);
                Ok(self.done(plan))
            }
            Err(trouble) => {
                self.known = None;
                Err(trouble)
            }
        }
    }

    /// Updates the state after a group is durable.
    fn done(&mut self, plan: Plan<'_>) -> Vec<Answer> {
        let known = self.known.get_or_insert_default();
        known.learn(&plan.rows);
        self.acknowledged = self.acknowledged.max(known.end);
        let end = known.end;
        self.end.send_if_modified(|seen| std::mem::replace(seen, end.max(*seen)) < end);
        if !plan.rows.is_empty() {
            let mut state = self.shared_state.get();
            state.last_commit_at = Some(self.clock.now());
            state.commits += 1;
            state.events += plan.rows.len() as u64;
        }
        plan.answers
    }

    async fn work(&mut self, work: Work) -> Result<(), String> {
        let connection = open(&mut self.connection).map_err(|t| t.message().to_owned())?;
        let mut begun = Err(WriteFailure::Busy);
        for _ in 0..BUSY_TRIES_MAX {
            let outcome = sqlx::query(sql::BEGIN).execute(&mut *connection).await.map(drop);
            begun = settle(connection, outcome).await;
            if !matches!(begun, Err(WriteFailure::Busy)) {
                break;
            }
        }
        let outcome = if begun.is_ok() {
            let worked = match work(&mut *connection).await {
                Ok(()) => sqlx::query(sql::COMMIT).execute(&mut *connection).await.map(drop),
                Err(error) => Err(error),
            };
            settle(connection, worked).await
        } else {
            begun
        };
        if let Err(trouble @ (WriteFailure::Broken(_) | WriteFailure::Damaged(_))) = &outcome {
            self.stop(trouble.message());
            self.recover().await;
        }
        outcome.map_err(|trouble| trouble.message().to_owned())
    }

    async fn truncate_log(&mut self) -> Result<bool, String> {
        let connection = open(&mut self.connection).map_err(|t| t.message().to_owned())?;
        for _ in 0..BUSY_TRIES_MAX {
            let row = sqlx::query(sql::TRUNCATE_LOG).fetch_one(&mut *connection).await.map_err(|e| describe(&e))?;
            if row.try_get::<i64, _>(0).map_err(|e| describe(&e))? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn open<T>(connection: &mut Option<T>) -> Result<&mut T, WriteFailure> {
    connection.as_mut().ok_or_else(|| WriteFailure::Broken("it is being reopened".to_owned()))
}
