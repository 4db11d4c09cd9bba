//! Every ledger, each with read models in a database of its kind. A new backend is one more function like [`sqlite`], and its
//! place is the list in [`all`]; or, where an append takes long, a list of its own for a test with fewer histories.

use std::{any::Any, sync::Arc};

use sqlx::{ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use syncledger::{
    adapters::{
        memory::{MemoryLedger, MemoryProjections},
        postgres::{self, PostgresLedger, PostgresProjections, Server},
        sqlite::{self, SqliteLedger, SqliteProjections},
    },
    domain::ids::Position,
    ports::{event_store::EventStore, projection_store::ProjectionStore},
    projections::{Kind, Projection, StoredRow, Value},
    services::models::project::Projector,
};
use tokio::sync::Mutex;

use crate::{
    conformance::eventstoredb::served::Served,
    projections::{choices::noon, world::World},
    support::postgres::Database,
};

/// sqlx has a type of row for each database.
macro_rules! stored {
    ($projection:ident, $row:ident) => {{
        let table = &$projection.table;
        let cells = table.columns.iter().map(|column| match column.kind {
            Kind::Text => $row.get::<Option<String>, _>(column.name).into(),
            Kind::Int => $row.get::<Option<i64>, _>(column.name).into(),
            Kind::Bool => $row.get::<Option<bool>, _>(column.name).into(),
        });
        let cells: Vec<Value> = cells.collect();
        let position = Position($row.get::<i64, _>("position") as u64);
        StoredRow { position, removed: $row.get("removed"), cells }
    }};
}

/// A ledger and its read models.
pub struct Backend {
    pub name: &'static str,
    pub ledger: Arc<dyn EventStore>,
    /// Whether appends that are under way at once take place in the order in which they were begun.
    pub in_order: bool,
    pub projector: Projector,
    pub tables: Tables,
    /// What serves it, or where it is kept.
    _kept: Box<dyn Any>,
}

/// How to look into the tables behind the port.
pub enum Tables {
    Memory(Arc<MemoryProjections>),
    Sqlite(Mutex<SqliteConnection>),
    Postgres(Mutex<sqlx::PgConnection>),
}

/// The backends that are told what was made up in memory.
pub async fn all(world: &World) -> Vec<Backend> {
    vec![sqlite(world).await, postgres(world).await, eventstoredb(world).await]
}

/// The ledger on which histories are made up.
pub async fn first(world: &World) -> Backend {
    memory(world, "memory", world.ledger.clone(), true, Box::new(())).await
}

/// A ledger whose read models are kept in memory, as long as what it needs is kept.
pub async fn memory(
    world: &World,
    name: &'static str,
    ledger: Arc<dyn EventStore>,
    in_order: bool,
    kept: Box<dyn Any>,
) -> Backend {
    let models = Arc::new(MemoryProjections::default());
    let tables = Tables::Memory(models.clone());
    with(world, name, ledger, in_order, models, tables, kept).await
}

async fn sqlite(world: &World) -> Backend {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (path, read) = (folder.path().join("ledger.db"), folder.path().join("read.db"));
    let options = sqlite::Options { path, workspace: "loft".to_owned() };
    let ledger = SqliteLedger::open(options, world.clock.clone()).await.unwrap();
    let models = Arc::new(SqliteProjections::open(&read).await.unwrap());
    let tables = SqliteConnectOptions::new().filename(&read).connect().await.unwrap();
    let tables = Tables::Sqlite(Mutex::new(tables));
    with(world, "SQLite", Arc::new(ledger), true, models, tables, Box::new(folder)).await
}

async fn postgres(world: &World) -> Backend {
    let database = Database::in_english().await;
    let server = Server::new(&database.url(), None).unwrap();
    let options = postgres::Options { server: server.clone(), workspace: "loft".to_owned() };
    let ledger = PostgresLedger::open(options, world.clock.clone()).await.unwrap();
    let models = Arc::new(PostgresProjections::open(&server).await.unwrap());
    let tables = Tables::Postgres(Mutex::new(database.connect().await));
    with(world, "PostgreSQL", Arc::new(ledger), true, models, tables, Box::new(database)).await
}

/// Through our gateway, with the stock client: an append is a call to a server, so they come one by one.
async fn eventstoredb(world: &World) -> Backend {
    let served = Served::start(Arc::new(MemoryLedger::new())).await;
    let ledger = Arc::new(served.open().await);
    memory(world, "EventStoreDB", ledger, false, Box::new(served)).await
}

async fn with(
    world: &World,
    name: &'static str,
    ledger: Arc<dyn EventStore>,
    in_order: bool,
    models: Arc<dyn ProjectionStore>,
    tables: Tables,
    kept: Box<dyn Any>,
) -> Backend {
    models.prepare(noon()).await.unwrap();
    let projector = Projector::new(ledger.clone(), models, world.clock.clone());
    Backend { name, ledger, in_order, projector, tables, _kept: kept }
}

impl Tables {
    /// The rows that facts at or after `from` changed last, removed ones included, by key.
    pub async fn rows(&self, projection: &Projection, from: Position) -> Vec<StoredRow> {
        let from_number = from.0 as i64;
        match self {
            Self::Memory(models) => models.rows(projection, from),
            Self::Sqlite(connection) => {
                let query = sqlx::query(statement(projection)).bind(from_number);
                let rows = query.fetch_all(&mut *connection.lock().await).await.unwrap();
                rows.iter().map(|row| stored!(projection, row)).collect()
            }
            Self::Postgres(connection) => {
                let query = sqlx::query(statement(projection)).bind(from_number);
                let rows = query.fetch_all(&mut *connection.lock().await).await.unwrap();
                rows.iter().map(|row| stored!(projection, row)).collect()
            }
        }
    }
}

fn statement(projection: &Projection) -> &'static str {
    let keys: Vec<&str> = projection.table.key_columns().iter().map(|column| column.name).collect();
    let text = format!("SELECT * FROM {} WHERE position >= $1 ORDER BY {}", projection.name, keys.join(", "));
    // sqlx takes no other text, and there are as many as there are tables.
    Box::leak(text.into_boxed_str())
}
