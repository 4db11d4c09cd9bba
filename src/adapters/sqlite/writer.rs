//! The one that writes: a thread that groups what callers have queued into durable commits.
//!
//! A caller is answered after its group's COMMIT has returned, never before. When a commit fails, its outcome is unknown
//! and a later fsync that succeeds proves nothing: the writer tells everyone so, closes, reopens, moves the whole log into
//! the file (a new write and a new fsync of all of it), looks whether everything acknowledged is there, and only then goes on.

use std::{collections::HashMap, path::PathBuf, sync::Arc, thread, time::Duration};

use futures::future::BoxFuture;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteArguments};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    connection,
    failure::{Trouble, told},
    group::{Append, Known, Looked, Plan, judge_each, predict},
    rows::{Placed, arguments, corrupt, decode},
    sql,
    state::Kept,
};
use crate::{
    domain::ids::Version,
    ports::{clock::Clock, event_store::Failure},
    record::wrap::hex,
};

/// Jobs that may wait for the writer. A caller beyond that waits for a place in the queue.
pub(super) const QUEUE_JOBS_MAX: usize = 8_192;

/// A group takes no further append once it has this many events.
const GROUP_EVENTS_MAX: usize = 1_024;

/// A group takes no further append once its data has this many bytes.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How often a group asks for a lock that another process holds. Each try waits up to 100 ms: about ten seconds in all.
const BUSY_TRIES_MAX: usize = 100;

/// Pauses between attempts to reopen: from the first, doubled up to the last.
const REOPEN_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Another table's write, done between two groups.
type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), sqlx::Error>> + Send>;

enum Job {
    Append(Append),
    /// A transaction on other tables, and what came of it.
    Work(Work, oneshot::Sender<Result<(), String>>),
    /// Moves the log into the file and cuts it; `false` where a reader prevented that.
    TruncateLog(oneshot::Sender<Result<bool, String>>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer's thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    kept: Arc<Kept>,
}

impl Writer {
    /// Starts the thread on a connection that is open already, on a ledger that ends at `end`.
    pub(super) fn start(
        path: PathBuf,
        connection: SqliteConnection,
        end: watch::Sender<u64>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let kept = Arc::new(Kept::default());
        let known = Some(Known::at(*end.borrow()));
        let mut thread = Thread {
            path,
            connection: Some(connection),
            known,
            acknowledged: 0,
            queue,
            end,
            clock,
            kept: Arc::clone(&kept),
        };
        // A thread of its own, not a task: waking it costs no round through a runtime, and its pauses stop nobody else.
        thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || futures::executor::block_on(thread.run()))?;
        Ok(Self { jobs, kept })
    }

    pub(super) async fn append(&self, append: Append) -> Result<(), Failure> {
        self.jobs.send(Job::Append(append)).await.map_err(|_| Failure::Unavailable(CLOSED.to_owned()))
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

    pub(super) fn state(&self) -> super::WriterState {
        let queued = QUEUE_JOBS_MAX - self.jobs.capacity();
        super::WriterState { queued, ..self.kept.get().clone() }
    }
}

const CLOSED: &str = "it is closed";

struct Thread {
    path: PathBuf,
    /// `None` between a failure and the reopening.
    connection: Option<SqliteConnection>,
    /// `None` after a surprise: the next group is judged with a look at everything.
    known: Option<Known>,
    /// Everything below this position was acknowledged by this process.
    acknowledged: u64,
    queue: mpsc::Receiver<Job>,
    end: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
    kept: Arc<Kept>,
}

impl Thread {
    async fn run(&mut self) {
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
                    Job::TruncateLog(done) => {
                        let outcome = self.truncate_log().await;
                        done.send(outcome).ok();
                    }
                    Job::Close(done) => {
                        self.queue.close();
                        if let Some(connection) = self.connection.take() {
                            connection.close().await.ok();
                        }
                        done.send(()).ok();
                        return;
                    }
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await.ok();
        }
    }

    /// The group that `first` opens, and the job that follows it if it was met.
    fn collect(&mut self, first: Append) -> (Vec<Append>, Option<Job>) {
        let bytes_of = |append: &Append| append.events.iter().map(|e| e.data.len()).sum::<usize>();
        let (mut events, mut bytes) = (first.events.len(), bytes_of(&first));
        let mut group = vec![first];
        while events < GROUP_EVENTS_MAX && bytes < GROUP_BYTES_MAX {
            match self.queue.try_recv() {
                Ok(Job::Append(append)) => {
                    events += append.events.len();
                    bytes += bytes_of(&append);
                    group.push(append);
                }
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Makes a group durable and answers it.
    async fn commit(&mut self, group: Vec<Append>) {
        let mut outcome = Err(Trouble::Busy);
        for _ in 0..BUSY_TRIES_MAX {
            outcome = self.attempt(&group).await;
            if !matches!(outcome, Err(Trouble::Busy)) {
                break;
            }
        }
        match outcome {
            Ok(answers) => {
                for (append, answer) in group.into_iter().zip(answers) {
                    // A caller that went away has no use for its answer.
                    append.reply.send(answer).ok();
                }
            }
            Err(trouble) => {
                if trouble != Trouble::Busy {
                    self.stop(trouble.told());
                }
                for append in group {
                    let failure = match &trouble {
                        Trouble::Damaged(told) => corrupt("the file", told),
                        Trouble::Busy | Trouble::Refused(_) | Trouble::Broken(_) => {
                            Failure::Unavailable(trouble.told().to_owned())
                        }
                    };
                    append.reply.send(Err(failure)).ok();
                }
                if trouble != Trouble::Busy {
                    self.recover().await;
                }
            }
        }
    }

    async fn attempt(&mut self, group: &[Append]) -> Result<Vec<AnswerOf>, Trouble> {
        if let Some(plan) = self.known.as_ref().and_then(|known| predict(group, known)) {
            match self.write_predicted(&plan.rows).await {
                Ok(()) => return Ok(self.done(plan)),
                Err(Trouble::Refused(_)) => self.known = None,
                Err(trouble) => return Err(trouble),
            }
        }
        match self.write_judged(group).await {
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

    /// What holds from the moment a group is durable.
    fn done(&mut self, plan: Plan<'_>) -> Vec<AnswerOf> {
        let known = self.known.get_or_insert_default();
        known.learn(&plan.rows);
        self.acknowledged = self.acknowledged.max(known.end);
        let end = known.end;
        self.end.send_if_modified(|seen| std::mem::replace(seen, end.max(*seen)) < end);
        if !plan.rows.is_empty() {
            let mut state = self.kept.get();
            state.last_commit_at = Some(self.clock.now());
            state.commits += 1;
            state.events += plan.rows.len() as u64;
        }
        plan.answers
    }

    /// Writes rows whose places are a guess, in one call into SQLite where they fit one statement.
    async fn write_predicted(&mut self, rows: &[Placed<'_>]) -> Result<(), Trouble> {
        let connection = open(&mut self.connection)?;
        let written = match sql::INSERTS.iter().find(|insert| rows.len() <= insert.places) {
            Some(insert) => {
                let all = arguments(rows, insert.places).map_err(|e| Trouble::of(&e))?;
                sqlx::query_with(insert.alone, all).execute(&mut *connection).await.map(drop)
            }
            None => write_many(connection, rows).await,
        };
        settle(connection, written).await
    }

    /// Judges a group with a look at everything it touches, under the write lock, and writes it.
    async fn write_judged<'a>(&mut self, group: &'a [Append]) -> Result<(Known, Plan<'a>), Trouble> {
        let connection = open(&mut self.connection)?;
        let begun = sqlx::query(sql::BEGIN).execute(&mut *connection).await.map(drop);
        settle(connection, begun).await?;
        let looked = match look(connection, group).await {
            Ok(looked) => looked,
            Err(Looking::Sql(error)) => {
                return Err(settle(connection, Err(error)).await.err().unwrap_or(Trouble::Busy));
            }
            Err(Looking::Row(failure)) => {
                sqlx::query(sql::ROLLBACK).execute(&mut *connection).await.ok();
                return Err(Trouble::Damaged(failure.to_string()));
            }
        };
        let plan = judge_each(group, &looked);
        let written = insert(connection, &plan.rows).await;
        let committed = match written {
            Ok(()) => sqlx::query(sql::COMMIT).execute(&mut *connection).await.map(drop),
            Err(error) => Err(error),
        };
        settle(connection, committed).await?;
        Ok((Known::at(looked.end), plan))
    }

    async fn work(&mut self, work: Work) -> Result<(), String> {
        let connection = open(&mut self.connection).map_err(|t| t.told().to_owned())?;
        let mut begun = Err(Trouble::Busy);
        for _ in 0..BUSY_TRIES_MAX {
            let outcome = sqlx::query(sql::BEGIN).execute(&mut *connection).await.map(drop);
            begun = settle(connection, outcome).await;
            if !matches!(begun, Err(Trouble::Busy)) {
                break;
            }
        }
        let outcome = match begun {
            Err(trouble) => Err(trouble),
            Ok(()) => {
                let worked = match work(&mut *connection).await {
                    Ok(()) => sqlx::query(sql::COMMIT).execute(&mut *connection).await.map(drop),
                    Err(error) => Err(error),
                };
                settle(connection, worked).await
            }
        };
        if let Err(trouble @ (Trouble::Broken(_) | Trouble::Damaged(_))) = &outcome {
            self.stop(trouble.told());
            self.recover().await;
        }
        outcome.map_err(|trouble| trouble.told().to_owned())
    }

    async fn truncate_log(&mut self) -> Result<bool, String> {
        let connection = open(&mut self.connection).map_err(|t| t.told().to_owned())?;
        for _ in 0..BUSY_TRIES_MAX {
            let row = sqlx::query(sql::TRUNCATE_LOG).fetch_one(&mut *connection).await.map_err(|e| told(&e))?;
            if row.try_get::<i64, _>(0).map_err(|e| told(&e))? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whoever is told of a failure can see it in the state as well, so this comes first.
    fn stop(&mut self, why: &str) {
        tracing::error!(ledger.failure = why, "The ledger stopped acknowledging: {why}");
        let mut state = self.kept.get();
        state.failures += 1;
        state.failing = Some(why.to_owned());
        self.known = None;
    }

    /// Closes and reopens until the ledger can be trusted again. Meanwhile nothing is acknowledged.
    async fn recover(&mut self) {
        let mut pause = REOPEN_PAUSE.0;
        loop {
            if let Some(connection) = self.connection.take() {
                connection.close().await.ok();
            }
            match self.reopen().await {
                Ok((connection, end)) => {
                    self.connection = Some(connection);
                    self.known = Some(Known::at(end));
                    self.kept.get().failing = None;
                    tracing::info!(ledger.end = end, "The ledger acknowledges again, from position {end}");
                    return;
                }
                Err(still) => {
                    tracing::error!(ledger.failure = still, "The ledger does not open: {still}");
                    self.kept.get().failing = Some(still.clone());
                    if self.refuse_queued(&still) {
                        return;
                    }
                }
            }
            thread::sleep(pause);
            pause = (pause * 2).min(REOPEN_PAUSE.1);
        }
    }

    async fn reopen(&self) -> Result<(SqliteConnection, u64), String> {
        let mut connection = connection::writer(&self.path).await.map_err(|e| told(&e))?;
        let moved = sqlx::query(sql::TRUNCATE_LOG).fetch_one(&mut connection).await.map_err(|e| told(&e))?;
        let frames = |index| moved.try_get::<i64, _>(index).map_err(|e| told(&e));
        // A reader may keep the log from being cut; what counts is that all of it is in the file.
        // Both are -1 where another process is moving it at this moment.
        if frames(1)? < 0 || frames(1)? != frames(2)? {
            return Err("the write-ahead log cannot be moved into the file yet".to_owned());
        }
        let end = end(&mut connection).await.map_err(|e| told(&e))?;
        connection::begin_to_write(&mut connection).await.map_err(|e| told(&e))?;
        if end < self.acknowledged {
            return Err(format!("{} events were acknowledged, but the file has only {end}", self.acknowledged));
        }
        Ok((connection, end))
    }

    /// Answers everything that waits; `true` where nobody can come any more.
    fn refuse_queued(&mut self, why: &str) -> bool {
        loop {
            match self.queue.try_recv() {
                Ok(Job::Append(append)) => {
                    append.reply.send(Err(Failure::Unavailable(why.to_owned()))).ok();
                }
                Ok(Job::Work(_, done)) => {
                    done.send(Err(why.to_owned())).ok();
                }
                Ok(Job::TruncateLog(done)) => {
                    done.send(Err(why.to_owned())).ok();
                }
                Ok(Job::Close(done)) => {
                    self.queue.close();
                    done.send(()).ok();
                }
                Err(mpsc::error::TryRecvError::Empty) => return false,
                Err(mpsc::error::TryRecvError::Disconnected) => return true,
            }
        }
    }
}

type AnswerOf = Result<crate::ports::event_store::Appended, Failure>;

fn open(connection: &mut Option<SqliteConnection>) -> Result<&mut SqliteConnection, Trouble> {
    connection.as_mut().ok_or_else(|| Trouble::Broken("it is being reopened".to_owned()))
}

/// After an error, ends the transaction that may be open. The rollback's own error says that there was none, or repeats
/// what the next statement will say again.
async fn settle(connection: &mut SqliteConnection, outcome: Result<(), sqlx::Error>) -> Result<(), Trouble> {
    let Err(error) = outcome else { return Ok(()) };
    let trouble = Trouble::of(&error);
    if !matches!(trouble, Trouble::Broken(_)) {
        sqlx::query(sql::ROLLBACK).execute(connection).await.ok();
    }
    Err(trouble)
}

async fn write_many(connection: &mut SqliteConnection, rows: &[Placed<'_>]) -> Result<(), sqlx::Error> {
    sqlx::query(sql::BEGIN).execute(&mut *connection).await?;
    insert(connection, rows).await?;
    sqlx::query(sql::COMMIT).execute(&mut *connection).await.map(drop)
}

async fn insert(connection: &mut SqliteConnection, rows: &[Placed<'_>]) -> Result<(), sqlx::Error> {
    let [.., most] = &sql::INSERTS;
    for chunk in rows.chunks(most.places) {
        let size = sql::INSERTS.iter().find(|insert| chunk.len() <= insert.places).unwrap_or(most);
        sqlx::query_with(size.within, arguments(chunk, size.places)?).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn end(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let end: i64 = sqlx::query(sql::END).fetch_one(connection).await?.try_get(0)?;
    Ok(u64::try_from(end).unwrap_or(0))
}

enum Looking {
    Sql(sqlx::Error),
    Row(Failure),
}

impl From<sqlx::Error> for Looking {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

async fn look(connection: &mut SqliteConnection, group: &[Append]) -> Result<Looked, Looking> {
    let end = end(connection).await?;
    let names = one(serde_json::json!(group.iter().map(|a| a.name.as_str()).collect::<Vec<_>>()))?;
    let mut lasts = HashMap::new();
    for row in sqlx::query_with(sql::LASTS, names).fetch_all(&mut *connection).await? {
        if let Some(last) = row.try_get::<Option<i64>, _>(1)?.and_then(|last| u64::try_from(last).ok()) {
            lasts.insert(row.try_get(0)?, Version(last));
        }
    }
    let ids: Vec<_> = group.iter().flat_map(|a| &a.events).map(|e| hex(e.id.0.as_bytes())).collect();
    let mut found = HashMap::new();
    for row in sqlx::query_with(sql::BY_IDS, one(serde_json::json!(ids))?).fetch_all(&mut *connection).await? {
        let recorded = decode(&row).map_err(Looking::Row)?;
        found.insert(recorded.event.id, recorded);
    }
    Ok(Looked { end, lasts, found })
}

/// A list as a statement's only parameter.
fn one(list: serde_json::Value) -> Result<SqliteArguments, sqlx::Error> {
    let mut all = SqliteArguments::default();
    sqlx::Arguments::add(&mut all, list.to_string()).map_err(sqlx::Error::Encode)?;
    Ok(all)
}
