//! The ledger and the read models as a process sees them: a turn at every effect, injected failures, and a record of every
//! acknowledged event.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{chance::Chance, observations::SharedObservations, plan::Fault, turn::effect};
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

/// How often the ledger fails, per 1,000 appends; changed while the simulation runs.
#[derive(Debug)]
pub(super) struct LedgerFaults {
    /// The append is refused.
    pub unavailable_permille: u64,
    /// The append is carried out, but its answer is lost.
    pub lost_answer_permille: u64,
    /// Chooses the appends that fail.
    pub chance: Chance,
}

/// A ledger whose appends are effects and sometimes fail.
pub(super) struct FaultyLedger {
    /// The real ledger.
    pub inner: Arc<dyn EventStore>,
    /// The faults to inject.
    pub ledger_faults: Arc<Mutex<LedgerFaults>>,
    /// Counts the faults, or records the acknowledged events.
    pub observations: SharedObservations,
}

#[async_trait]
impl EventStore for FaultyLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let (down, lost) = {
            let mut ledger_faults = self.ledger_faults.lock().unwrap_or_else(PoisonError::into_inner);
            let (down, lost) = (ledger_faults.unavailable_permille, ledger_faults.lost_answer_permille);
            (ledger_faults.chance.permille(down), ledger_faults.chance.permille(lost))
        };
        if down {
            self.observations.lock().count(Fault::LedgerDown.name());
            return Err(Failure::Unavailable("the simulation's disk is full".into()));
        }
        let appended = effect(self.inner.append(stream, expected, events)).await?;
        if lost {
            self.observations.lock().count(Fault::LedgerAnswerLost.name());
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

/// A ledger that records every acknowledged event. It is the outermost wrapper, so it sees the answers that the service sees.
pub(super) struct RecordingLedger {
    /// The wrapped ledger.
    pub inner: Arc<dyn EventStore>,
    /// Counts the faults, or records the acknowledged events.
    pub observations: SharedObservations,
}

#[async_trait]
impl EventStore for RecordingLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let appended = self.inner.append(stream, expected, events).await?;
        let mut observations = self.observations.lock();
        observations.acknowledged_count += ids.len() as u64;
        observations.acknowledged.extend(ids);
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

/// Checkpoints that are saved in a turn of their own.
pub(super) struct SteppedCheckpoints(pub Arc<dyn Checkpoints>);

#[async_trait]
impl Checkpoints for SteppedCheckpoints {
    async fn load(&self, worker: &str) -> Result<Position, Unavailable> {
        self.0.load(worker).await
    }

    async fn save(&self, worker: &str, next: Position) -> Result<(), Unavailable> {
        effect(self.0.save(worker, next)).await
    }
}

/// Read models that are changed in a turn of their own.
pub(super) struct SteppedModels(pub Arc<dyn ProjectionStore>);

#[async_trait]
impl ProjectionStore for SteppedModels {
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
