//! A ledger in memory with a clock that stands still, and a projector over any store.

use std::{path::Path, sync::Arc};

use chrono::TimeDelta;
use syncledger::{
    adapters::{
        memory::{MemoryLedger, MemoryProjections, MemoryVault, VirtualClock},
        sqlite::SqliteProjections,
    },
    domain::{
        event::Event,
        ids::{CorrelationId, EventId, Position},
    },
    ports::{
        clock::Clock as _,
        event_store::{EventStore as _, Expected},
        projection_store::{ProjectionStore, Shelf},
        read_models::Query,
        vault::{KeyState, Vault as _},
    },
    projections::{ALL, Row, Value},
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin},
        sealing::{self, KeyRef},
        stream::StreamName,
    },
    services::{journal::Journal, project::Projector},
};

use super::choices::noon;

pub struct World {
    pub clock: Arc<VirtualClock>,
    pub ledger: Arc<MemoryLedger>,
    pub vault: Arc<MemoryVault>,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(1, noon()));
        let ledger = Arc::new(MemoryLedger::new());
        let vault = Arc::new(MemoryVault::new(clock.clone()));
        Self { clock, ledger, vault }
    }

    pub fn projector(&self, models: Arc<dyn ProjectionStore>) -> Projector {
        Projector::new(self.ledger.clone(), models, self.clock.clone())
    }

    pub fn journal(&self) -> Journal {
        Journal::new(self.ledger.clone(), self.vault.clone(), self.clock.clone())
    }

    /// Appends a fact a second after the one before, its personal texts sealed.
    pub async fn record(&self, stream: &StreamName, event: impl Into<Event>) -> EventId {
        let event = event.into();
        let mut data = codec::to_data(&event);
        let id = self.clock.event_id();
        let mut keys = std::collections::HashMap::new();
        for subject in sealing::plain_subjects(&data) {
            if !matches!(self.vault.key(&subject).await.unwrap(), KeyState::Destroyed(_)) {
                keys.insert(subject.to_string(), self.vault.key_or_new(&subject).await.unwrap());
            }
        }
        let mut nonce = || {
            let mut bytes = [0; 24];
            self.clock.fill(&mut bytes);
            bytes
        };
        let key_of = |subject: &str| keys.get(subject).map(|key| KeyRef { id: &key.id, bytes: &key.bytes });
        sealing::seal(&mut data, id, &key_of, &mut nonce).unwrap();
        self.append_raw(stream, id, &event.kind(), data.to_string()).await;
        id
    }

    /// Appends whatever it is told.
    pub async fn append_raw(&self, stream: &StreamName, id: EventId, kind: &str, data: String) {
        self.clock.advance(TimeDelta::seconds(1));
        let event = NewEvent {
            id,
            kind: kind.to_owned(),
            schema: 1,
            recorded_at: self.clock.now(),
            effective_at: self.clock.now(),
            actor: Actor::new("reconciler", "test"),
            origin: Origin::Reconciler,
            correlation: CorrelationId("c".to_owned()),
            causation: None,
            data,
        };
        self.ledger.append(stream, Expected::Any, vec![event]).await.unwrap();
    }
}

/// The position of every live projection; all the same once everything is projected.
pub async fn positions(models: &dyn ProjectionStore) -> Vec<(&'static str, Position)> {
    let checkpoints = models.checkpoints().await.unwrap();
    checkpoints.into_iter().filter(|c| c.shelf == Shelf::Live).map(|c| (c.projection, c.position)).collect()
}

/// Rows as lines a person can read: what holds nothing is left out.
pub fn shown(rows: &[Row]) -> String {
    let cell = |(name, value): (&str, &Value)| match value {
        Value::Null => None,
        Value::Bool(flag) => Some(format!("{name}={flag}")),
        Value::Int(number) => Some(format!("{name}={number}")),
        Value::Text(text) => Some(format!("{name}={text:?}")),
    };
    let line = |row: &Row| {
        let cells: Vec<String> =
            row.cells().filter(|(name, _)| !["position", "removed"].contains(name)).filter_map(cell).collect();
        cells.join(" ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub async fn ask(models: &dyn ProjectionStore, query: Query) -> Vec<Row> {
    models.ask(&query).await.unwrap()
}

/// Empty read models in memory.
pub async fn memory() -> Arc<MemoryProjections> {
    let models = Arc::new(MemoryProjections::default());
    assert_eq!(models.prepare(noon()).await.unwrap().len(), ALL.len());
    models
}

/// Empty read models in a file of that folder.
pub async fn sqlite(folder: &Path) -> Arc<SqliteProjections> {
    let models = Arc::new(SqliteProjections::open(&folder.join("read.db")).await.unwrap());
    models.prepare(noon()).await.unwrap();
    models
}
