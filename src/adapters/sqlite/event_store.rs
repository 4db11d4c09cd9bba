//! The event store on SQLite: appends go to the writer, reads to separate connections.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{SqlitePool, sqlite::SqliteRow};
use tokio::sync::{oneshot, watch};

use super::{
    failure::WriteFailure,
    inspect::inspect,
    rows::{corrupt, decode},
    scan::Scanner,
    sql,
    writer::Writer,
};
use crate::{
    domain::ids::{EventId, Position, Version},
    ledger::{
        append::checked,
        grouping::{Append, Request},
        writer_state::WriterState,
    },
    ports::{
        clock::Clock,
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
        upkeep::Upkeep,
    },
    record::{
        envelope::{NewEvent, StoredEvent},
        merkle::Hash,
        stream::StreamName,
    },
};

/// Maximum duration of [`EventStore::wait`].
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Pages from this size on are read on a blocking thread.
const SCAN_EVENTS: usize = 1_024;

/// Delays between checks for events of other processes, doubling from the first value to the last.
const LOOK_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// A ledger in an SQLite file. Clones share one writer; the file closes with the last clone, or with [`Upkeep::close`].
#[derive(Clone)]
pub struct SqliteLedger {
    pub(super) workspace: Arc<str>,
    pub(super) readers: SqlitePool,
    pub(super) scanner: Scanner,
    pub(super) writer: Writer,
    /// The end as known to this process.
    pub(super) end: watch::Sender<u64>,
    pub(super) clock: Arc<dyn Clock>,
}

impl SqliteLedger {
    /// State of the writer.
    pub fn writer_state(&self) -> WriterState {
        self.writer.state()
    }

    /// Name of the workspace.
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    async fn stored_end(&self) -> Result<u64, Failure> {
        let end: i64 = sqlx::query_scalar(sql::END).fetch_one(&self.readers).await.map_err(|e| failure(&e))?;
        let end = u64::try_from(end).map_err(|_| corrupt("the end", "positions are negative"))?;
        self.end.send_if_modified(|seen| std::mem::replace(seen, end.max(*seen)) < end);
        Ok(end)
    }
}

#[async_trait]
impl EventStore for SqliteLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let events = checked(stream, events)?;
        let (reply, answer) = oneshot::channel();
        let append =
            Append { request: Request { stream: stream.clone(), name: stream.to_string(), expected, events }, reply };
        self.writer.append(append).await?;
        answer.await.map_err(|_| Failure::Unavailable("the writer has stopped".to_owned()))?
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let Ok(first) = i64::try_from(from.0) else { return Ok(Vec::new()) };
        let query = sqlx::query(sql::READ_STREAM).bind(stream.to_string()).bind(first).bind(rows_of(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(|e| failure(&e))?;
        let events = decode_all(&rows)?;
        match events.iter().zip(from.0..).find(|(event, at)| event.version.0 != *at) {
            Some((_, at)) => Err(corrupt(&format!("version {at} of {stream}"), "the event is missing")),
            None => Ok(events),
        }
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        let query = sqlx::query(sql::LAST).bind(stream.to_string());
        let row = query.fetch_optional(&self.readers).await.map_err(|e| failure(&e))?;
        row.map(|row| decode(&row)).transpose()
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let Ok(first) = i64::try_from(from.0) else { return Ok(Vec::new()) };
        let events = if limit >= SCAN_EVENTS {
            self.scanner.events(from, rows_of(limit)).await?
        } else {
            let query = sqlx::query(sql::READ_ALL).bind(first).bind(rows_of(limit));
            decode_all(&query.fetch_all(&self.readers).await.map_err(|e| failure(&e))?)?
        };
        match events.iter().zip(from.0..).find(|(event, at)| event.position.0 != *at) {
            Some((_, at)) => Err(corrupt(&format!("position {at}"), "the event is missing")),
            None => Ok(events),
        }
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        let query = sqlx::query(sql::BY_ID).bind(id.0.as_bytes().to_vec());
        let row = query.fetch_optional(&self.readers).await.map_err(|e| failure(&e))?;
        row.map(|row| decode(&row)).transpose()
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.stored_end().await.map(Position)
    }

    async fn leaves(&self, from: Position, limit: usize) -> Result<Vec<Hash>, Failure> {
        self.scanner.leaves(from, rows_of(limit)).await
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        self.restored(events).await
    }

    async fn wait(&self, from: Position) {
        let mut end = self.end.subscribe();
        let news = async {
            let mut pause = LOOK_PAUSE.0;
            // Events of this process wake us at once; those of others are found by the next check.
            while tokio::time::timeout(pause, end.wait_for(|end| *end > from.0)).await.is_err() {
                if !self.stored_end().await.is_ok_and(|end| end <= from.0) {
                    return;
                }
                pause = (pause * 2).min(LOOK_PAUSE.1);
            }
        };
        // The caller reads again in any case, after a timeout as well.
        let _ = tokio::time::timeout(WAIT_MAX, news).await;
    }
}

#[async_trait]
impl Upkeep for SqliteLedger {
    fn failing(&self) -> Option<String> {
        self.writer_state().failing
    }

    async fn inspect(&self) -> Result<Vec<String>, String> {
        inspect(self.scanner.path()).await.map_err(|failure| failure.to_string())
    }

    async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
        self.scanner.close();
    }
}

fn rows_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn decode_all(rows: &[SqliteRow]) -> Result<Vec<StoredEvent>, Failure> {
    rows.iter().map(decode).collect()
}

/// An error while reading. Nothing was written, so it is either damage or can be retried.
pub(super) fn failure(error: &sqlx::Error) -> Failure {
    match WriteFailure::of(error) {
        WriteFailure::Damaged(message) => corrupt("the file", &message),
        other => Failure::Unavailable(other.message().to_owned()),
    }
}
