//! A ledger in memory with a clock that stands still, and a projector over any store.

use std::sync::Arc;

use chrono::TimeDelta;
use sqlx::{ConnectOptions as _, Connection as _};
use syncledger::{
    adapters::{
        memory::{MemoryLedger, MemoryProjections, MemoryVault, VirtualClock},
        postgres::{PostgresProjections, Server},
        sqlite::SqliteProjections,
    },
    domain::{
        event::Event,
        ids::{CorrelationId, EventId, Position},
    },
    ports::{
        clock::Clock as _,
        event_store::{EventStore as _, ExpectedVersion},
        projection_store::{ProjectionStore, TableCopy},
        vault::{KeyState, Vault as _},
    },
    projections::{ALL, Row, Value, query::Query},
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin},
        sealing::{self, KeyRef},
        stream::StreamName,
    },
    services::{journal::Journal, models::project::Projector},
};

use tempfile::TempDir;

use super::choices::noon;
use crate::support::postgres::Database;

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
        let event = self.sealed(&event.into()).await;
        let id = event.id;
        self.ledger.append(stream, ExpectedVersion::Any, vec![event]).await.unwrap();
        id
    }

    /// A fact that is recorded a second after the one before, its personal texts sealed.
    pub async fn sealed(&self, event: &Event) -> NewEvent {
        let mut data = codec::to_data(event);
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
        self.event(id, &event.kind(), data.to_string())
    }

    /// Appends whatever it is told.
    pub async fn append_raw(&self, stream: &StreamName, id: EventId, kind: &str, data: String) {
        let event = self.event(id, kind, data);
        self.ledger.append(stream, ExpectedVersion::Any, vec![event]).await.unwrap();
    }

    fn event(&self, id: EventId, kind: &str, data: String) -> NewEvent {
        self.clock.advance(TimeDelta::seconds(1));
        NewEvent {
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
        }
    }
}

/// The position of every live projection; all the same once everything is projected.
pub async fn positions(models: &dyn ProjectionStore) -> Vec<(&'static str, Position)> {
    let checkpoints = models.checkpoints().await.unwrap();
    checkpoints.into_iter().filter(|c| c.table_copy == TableCopy::Live).map(|c| (c.projection, c.position)).collect()
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

/// A database for read models.
pub enum Place {
    Sqlite(TempDir),
    Postgres(Database),
}

impl Place {
    /// A folder for a file.
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A database whose own order of texts is not that of their bytes.
    pub async fn postgres() -> Self {
        Self::Postgres(Database::in_english().await)
    }

    /// Opens it, with connections of its own, as another process would.
    pub async fn open(&self) -> Arc<dyn ProjectionStore> {
        let models: Arc<dyn ProjectionStore> = match self {
            Self::Sqlite(folder) => Arc::new(SqliteProjections::open(&folder.path().join("read.db")).await.unwrap()),
            Self::Postgres(database) => {
                Arc::new(PostgresProjections::open(&Server::new(&database.url(), None).unwrap()).await.unwrap())
            }
        };
        models.prepare(noon()).await.unwrap();
        models
    }

    /// Runs a statement behind everybody's back, and answers how many rows it changed.
    pub async fn run(&self, statement: &'static str) -> u64 {
        match self {
            Self::Sqlite(folder) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("read.db"));
                let mut connection = options.connect().await.unwrap();
                let done = sqlx::query(statement).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                done.rows_affected()
            }
            Self::Postgres(database) => {
                let mut connection = database.connect().await;
                let done = sqlx::query(statement).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                done.rows_affected()
            }
        }
    }
}

/// The test as it goes on every database.
macro_rules! on_every_database {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::projections::world::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::projections::world::Place::postgres().await).await;
            })*
        }
    };
}
pub(super) use on_every_database;
