//! The event store on PostgreSQL: appends go to the writer, reads to a pool.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use sqlx::{PgPool, Postgres, postgres::PgArguments, query::Query};
use tokio::sync::{oneshot, watch};

use super::{
    address::Server,
    end::stored_end,
    examine, inspect,
    listen::Listener,
    rows::{corrupt, decode, unreadable},
    sql,
    writer::Writer,
};
use crate::{
    domain::ids::{EventId, Position, Version},
    ledger::{
        append::checked,
        grouping::{Append, Request},
        restore::by_appending,
        writer_state::WriterState,
    },
    ports::{
        clock::Clock,
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
        upkeep::{Finding, Upkeep},
    },
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};

/// Maximum duration of [`EventStore::wait`].
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Delays between checks for events of other processes, doubling from the first value to the last: needed if a notification
/// is lost.
const LOOK_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));

/// A ledger in a PostgreSQL database. Clones share one writer; its sessions end with the last clone, or with
/// [`Upkeep::close`].
#[derive(Clone)]
pub struct PostgresLedger {
    pub(super) server: Server,
    pub(super) workspace: Arc<str>,
    pub(super) pool: PgPool,
    pub(super) writer: Writer,
    /// The end as known to this process.
    pub(super) end: watch::Sender<u64>,
    pub(super) listening: Arc<Listener>,
    pub(super) clock: Arc<dyn Clock>,
}

impl PostgresLedger {
    /// State of the writer.
    pub fn writer_state(&self) -> WriterState {
        self.writer.state()
    }

    /// Name of the workspace.
    pub fn workspace(&self) -> &str {
        &self.workspace
    }
}

#[async_trait]
impl EventStore for PostgresLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let events = checked(stream, events)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { stream: stream.clone(), name: stream.to_string(), expected, events };
        self.writer.append(Append { request, reply }).await?;
        answer.await.map_err(|_| Failure::Unavailable("the writer has stopped".to_owned()))?
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let Ok(first) = i64::try_from(from.0) else { return Ok(Vec::new()) };
        let query = sqlx::query(sql::READ_STREAM).bind(stream.to_string()).bind(first).bind(rows_of(limit));
        let events = self.read(query).await?;
        match events.iter().zip(from.0..).find(|(event, at)| event.version.0 != *at) {
            Some((_, at)) => Err(corrupt(&format!("version {at} of {stream}"), "the event is missing")),
            None => Ok(events),
        }
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        Ok(self.read(sqlx::query(sql::LAST).bind(stream.to_string())).await?.pop())
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let Ok(first) = i64::try_from(from.0) else { return Ok(Vec::new()) };
        let events = self.read(sqlx::query(sql::READ_ALL).bind(first).bind(rows_of(limit))).await?;
        match events.iter().zip(from.0..).find(|(event, at)| event.position.0 != *at) {
            Some((_, at)) => Err(corrupt(&format!("position {at}"), "the event is missing")),
            None => Ok(events),
        }
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        Ok(self.read(sqlx::query(sql::BY_ID).bind(id.0.as_bytes().to_vec())).await?.pop())
    }

    async fn end(&self) -> Result<Position, Failure> {
        stored_end(&self.pool, &self.end).await.map(Position)
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, from: Position) {
        let mut end = self.end.subscribe();
        let news = async {
            let mut pause = LOOK_PAUSE.0;
            // Events of this process wake us at once, and so does a notification about those of others.
            while tokio::time::timeout(pause, end.wait_for(|end| *end > from.0)).await.is_err() {
                if !stored_end(&self.pool, &self.end).await.is_ok_and(|end| end <= from.0) {
                    return;
                }
                pause = (pause * 2).min(LOOK_PAUSE.1);
            }
        };
        // The caller reads again in any case, after a timeout as well.
        let _ = tokio::time::timeout(WAIT_MAX, news).await;
    }
}

impl PostgresLedger {
    /// Converts each row as it arrives, so that only the events are in memory.
    async fn read(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<StoredEvent>, Failure> {
        let mut rows = query.fetch(&self.pool);
        let mut events = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(|e| unreadable(&e))? {
            events.push(decode(&row)?);
        }
        Ok(events)
    }
}

#[async_trait]
impl Upkeep for PostgresLedger {
    fn failing(&self) -> Option<String> {
        self.writer_state().failing
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.server).await
    }

    async fn inspect(&self) -> Result<Vec<String>, String> {
        inspect::inspect(&self.pool).await
    }

    async fn close(&self) {
        self.writer.close().await;
        self.listening.end();
        self.pool.close().await;
    }
}

fn rows_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
