//! The writer's task: commits queued appends in groups, and answers.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, PgConnection};
use tokio::sync::{mpsc, watch};

use super::{
    address::Server,
    failure::WriteFailure,
    job::Job,
    rows::corrupt,
    transact::{in_time, write_judged, write_predicted},
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

/// How often the task yields before it takes a group: callers that were just answered are about to send more, and
/// every shared commit saves one.
const TURNS: usize = 2;

/// After this long without an append, the connection is tested.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The result for one caller of a group.
type Answer = Result<AppendOutcome, Failure>;

/// State of the task.
pub(super) struct Task {
    pub server: Server,
    /// `None` between a failure and the next session.
    pub connection: Option<PgConnection>,
    /// `None` after a surprise: the next group is judged with queries.
    pub known: Option<KnownEnds>,
    /// Everything before this position was acknowledged by this process.
    pub acknowledged: u64,
    pub queue: mpsc::Receiver<Job>,
    /// The end as known to this process.
    pub end: watch::Sender<u64>,
    /// The end after this process last wrote.
    pub written: watch::Sender<u64>,
    pub clock: Arc<dyn Clock>,
    pub shared_state: Arc<SharedWriterState>,
}

impl Task {
    /// Runs until the ledger is closed or no handle is left.
    pub(super) async fn run(&mut self) {
        let mut closed = None;
        loop {
            match tokio::time::timeout(IDLE_MAX, self.queue.recv()).await {
                Err(_) => self.look_alive().await,
                Ok(None) => break,
                Ok(Some(Job::Append(first))) => {
                    for _ in 0..TURNS {
                        tokio::task::yield_now().await;
                    }
                    let (group, after) = self.collect(first);
                    self.commit(group).await;
                    closed = after;
                }
                Ok(Some(Job::Close(done))) => closed = Some(done),
            }
            if closed.is_some() {
                break;
            }
        }
        self.queue.close();
        if let Some(connection) = self.connection.take() {
            connection.close().await.ok();
        }
        if let Some(done) = closed {
            done.send(()).ok();
        }
    }

    /// Detects a lost session while idle, so that the next append does not fail.
    async fn look_alive(&mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        if let Err(trouble) = in_time(async { Ok(connection.ping().await?) }).await {
            self.stop(trouble.message());
            self.recover().await;
        }
    }

    /// The group that starts with `first`, and the waiter if a close was received.
    fn collect(&mut self, first: Append) -> (Vec<Append>, Option<tokio::sync::oneshot::Sender<()>>) {
        let (mut events, mut bytes) = (first.request.events.len(), first.request.bytes());
        let mut group = vec![first];
        while events < GROUP_EVENTS_MAX && bytes < GROUP_BYTES_MAX {
            match self.queue.try_recv() {
                Ok(Job::Append(append)) => {
                    events += append.request.events.len();
                    bytes += append.request.bytes();
                    group.push(append);
                }
                Ok(Job::Close(done)) => return (group, Some(done)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Commits a group and answers it.
    async fn commit(&mut self, group: Vec<Append>) {
        match self.attempt(&group).await {
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
                        WriteFailure::Damaged(message) => corrupt("the database", message),
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
        let closed = || WriteFailure::Broken("it is being reconnected".to_owned());
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        if let Some((known, plan)) = self.known.as_ref().and_then(|known| Some((known, predict(group, known)?))) {
            if write_predicted(connection, known.end, &plan.rows).await? {
                return Ok(self.done(plan));
            }
            self.known = None;
        }
        match write_judged(connection, group).await {
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
            self.written.send_replace(end);
            let mut state = self.shared_state.get();
            state.last_commit_at = Some(self.clock.now());
            state.commits += 1;
            state.events += plan.rows.len() as u64;
        }
        plan.answers
    }
}
