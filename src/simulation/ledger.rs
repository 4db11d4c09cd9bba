//! The ledger and the read models as a process meets them: a turn at every effect, failures at times, and a note of
//! everything that was acknowledged.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{chance::Chance, notes::Notebook, plan::Fault, turn::effect};
use crate::{
    domain::ids::{EventId, Position, Version},
    ledger::restore::by_appending,
    ports::{
        checkpoints::{Checkpoints, Unavailable},
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
        projection_store::{self, Batch, Checkpoint, Comparison, ProjectionStore, TableCopy},
    },
    projections::{Projection, Row, query::Query},
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};

/// How often the ledger fails, of a thousand appends; changed while the simulation runs.
#[derive(Debug)]
pub(super) struct Trouble {
    /// It takes nothing.
    pub down: u64,
    /// It takes the append, and the answer is lost.
    pub answer_lost: u64,
    /// Which of them.
    pub chance: Chance,
}

/// A ledger whose appends are effects.
pub(super) struct Effects {
    /// The real one.
    pub inner: Arc<dyn EventStore>,
    /// How it fails.
    pub trouble: Arc<Mutex<Trouble>>,
    /// Where it is noted.
    pub notes: Notebook,
}

#[async_trait]
impl EventStore for Effects {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let (down, lost) = {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            let (down, lost) = (trouble.down, trouble.answer_lost);
            (trouble.chance.permille(down), trouble.chance.permille(lost))
        };
        if down {
            self.notes.open().count(Fault::LedgerDown.name());
            return Err(Failure::Unavailable("the simulation's disk is full".into()));
        }
        let appended = effect(self.inner.append(stream, expected, events)).await?;
        if lost {
            self.notes.open().count(Fault::LedgerAnswerLost.name());
            return Err(Failure::Unavailable("the simulation lost the answer".into()));
        }
        Ok(appended)
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.inner.read_stream(stream, from, limit).await
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        self.inner.last(stream).await
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.inner.read_all(from, limit).await
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        self.inner.find(id).await
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.inner.end().await
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, _from: Position) {}
}

/// A ledger that notes what it acknowledges: the outermost, so that it hears what the service hears.
pub(super) struct Acknowledged {
    /// What the service would otherwise talk to.
    pub inner: Arc<dyn EventStore>,
    /// Where it is noted.
    pub notes: Notebook,
}

#[async_trait]
impl EventStore for Acknowledged {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let appended = self.inner.append(stream, expected, events).await?;
        let mut notes = self.notes.open();
        notes.acknowledged_count += ids.len() as u64;
        notes.acknowledged.extend(ids);
        Ok(appended)
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.inner.read_stream(stream, from, limit).await
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        self.inner.last(stream).await
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.inner.read_all(from, limit).await
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        self.inner.find(id).await
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.inner.end().await
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, from: Position) {
        self.inner.wait(from).await;
    }
}

/// Checkpoints whose saving is an effect.
pub(super) struct SlowCheckpoints(pub Arc<dyn Checkpoints>);

#[async_trait]
impl Checkpoints for SlowCheckpoints {
    async fn load(&self, worker: &str) -> Result<Position, Unavailable> {
        self.0.load(worker).await
    }

    async fn save(&self, worker: &str, next: Position) -> Result<(), Unavailable> {
        effect(self.0.save(worker, next)).await
    }
}

/// Read models whose changes are effects.
pub(super) struct SlowModels(pub Arc<dyn ProjectionStore>);

#[async_trait]
impl ProjectionStore for SlowModels {
    async fn prepare(&self, now: DateTime<Utc>) -> Result<Vec<&'static str>, projection_store::Failure> {
        self.0.prepare(now).await
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, projection_store::Failure> {
        self.0.checkpoints().await
    }

    async fn apply(&self, batches: Vec<Batch>, now: DateTime<Utc>) -> Result<(), projection_store::Failure> {
        effect(self.0.apply(batches, now)).await
    }

    async fn ask(&self, query: &Query) -> Result<Vec<Row>, projection_store::Failure> {
        self.0.ask(query).await
    }

    async fn begin(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        now: DateTime<Utc>,
    ) -> Result<(), projection_store::Failure> {
        self.0.begin(projection, table_copy, now).await
    }

    async fn discard(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
    ) -> Result<(), projection_store::Failure> {
        self.0.discard(projection, table_copy).await
    }

    async fn compare(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        examples: usize,
    ) -> Result<Comparison, projection_store::Failure> {
        self.0.compare(projection, table_copy, examples).await
    }

    async fn swap(
        &self,
        projection: &'static Projection,
        behind_max: u64,
        now: DateTime<Utc>,
    ) -> Result<(), projection_store::Failure> {
        effect(self.0.swap(projection, behind_max, now)).await
    }
}
