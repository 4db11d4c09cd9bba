//! P1c: durable, acknowledged appends of one event each on PostgreSQL, by 32 clients, through the library and without it.
//!
//! Both arms: the same server, started for this, with the settings that it comes with (fsync, full_page_writes and
//! synchronous_commit on); a new database; events of the same size with UUIDv7 ids, spread over streams in the same way; a
//! table with the same columns and the same three indexes. The other arm is what one would write without a ledger: each client
//! has a connection of its own and a prepared statement, positions come from a sequence, each insert is a transaction, and
//! nobody waits for a lock. So it has gaps and no order of commits, keeps no trigger, hashes nothing and judges nothing.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use sqlx::{Connection as _, Executor as _, PgConnection, Postgres, QueryBuilder};
use syncledger::{
    adapters::{
        postgres::{Options, PostgresLedger, Server},
        system::SystemClock,
    },
    domain::ids::Version,
    ports::{
        event_store::{EventStore as _, ExpectedVersion},
        upkeep::Upkeep as _,
    },
};

use crate::{
    p1::{STREAM_EVENTS, event, stream},
    report::{Arm, Measure},
};

const WRITERS: u64 = 32;

/// Appends of each client in an arm.
const APPENDS_EACH: u64 = 200;

pub fn many_writers(runs: usize) -> anyhow::Result<Measure> {
    let what = "durable appends, 32 concurrent writers through the library ÷ 32 clients on PostgreSQL, no lock, one insert per commit";
    let server = Running::start()?;
    Measure::of(("P1c", what, 2.0), runs, || block_on(library(&server)), || block_on(bare(&server)))
}

fn block_on(arm: impl Future<Output = anyhow::Result<Arm>>) -> anyhow::Result<Arm> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(arm)
}

/// A server for as long as it is measured.
struct Running {
    folder: tempfile::TempDir,
    url: String,
}

impl Running {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("syncledger-bench-").tempdir_in("/var/tmp")?;
        // The server may run as another user, who must get through.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        let output = tool().arg("start").arg(at_home(folder.path())).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { folder, url: String::from_utf8(output.stdout)?.trim().to_owned() })
    }

    /// The address of a new database.
    async fn database(&self) -> anyhow::Result<String> {
        let name = format!("b{}", uuid::Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&self.url).await?;
        QueryBuilder::<Postgres>::new("CREATE DATABASE ").push(&name).build().execute(&mut connection).await?;
        connection.close().await?;
        let (server, _) = self.url.rsplit_once('/').context("an address")?;
        Ok(format!("{server}/{name}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        tool().arg("stop").arg(at_home(self.folder.path())).arg("immediate").output().ok();
    }
}

fn at_home(folder: &Path) -> PathBuf {
    folder.join("postgres")
}

fn tool() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/postgres.sh"))
}

async fn library(server: &Running) -> anyhow::Result<Arm> {
    let options = Options { server: Server::new(&server.database().await?, None)?, workspace: "bench".to_owned() };
    let clock = Arc::new(SystemClock::new());
    let ledger = PostgresLedger::open(options, Arc::<SystemClock>::clone(&clock)).await?;
    let began = Instant::now();
    let tasks: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write(ledger.clone(), Arc::clone(&clock), writer))).collect();
    let mut each = Vec::new();
    for task in tasks {
        each.extend(task.await??);
    }
    let arm = Arm::of(began.elapsed(), each);
    if std::env::var_os("BENCH_VERBOSE").is_some() {
        let state = ledger.writer_state();
        eprintln!("{:.0}/s, {} events in {} commits", arm.amount, state.events, state.commits);
    }
    ledger.close().await;
    Ok(arm)
}

async fn write(ledger: PostgresLedger, clock: Arc<SystemClock>, writer: u64) -> anyhow::Result<Vec<Duration>> {
    let mut each = Vec::new();
    for n in 0..APPENDS_EACH {
        let expected = match n % STREAM_EVENTS {
            0 => ExpectedVersion::NoStream,
            version => ExpectedVersion::Exact(Version(version - 1)),
        };
        let (to, event) = (stream(writer, n), event(&clock));
        let began = Instant::now();
        ledger.append(&to, expected, vec![event]).await?;
        each.push(began.elapsed());
    }
    Ok(each)
}

const TABLE: &str = "CREATE TABLE events (position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id BYTEA NOT NULL UNIQUE, \
     stream TEXT COLLATE \"C\" NOT NULL, version BIGINT NOT NULL, type TEXT NOT NULL, schema INTEGER NOT NULL, \
     recorded_at BIGINT NOT NULL, effective_at BIGINT NOT NULL, actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL, \
     origin TEXT NOT NULL, correlation TEXT NOT NULL, causation BYTEA, leaf BYTEA NOT NULL, data TEXT NOT NULL, \
     UNIQUE (stream, version))";

const INSERT: &str = "INSERT INTO events (id, stream, version, type, schema, recorded_at, effective_at, actor_kind, actor_id, \
     origin, correlation, causation, leaf, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

async fn bare(server: &Running) -> anyhow::Result<Arm> {
    let url = server.database().await?;
    PgConnection::connect(&url).await?.execute(TABLE).await?;
    let clock = Arc::new(SystemClock::new());
    let mut connections = Vec::new();
    for _ in 0..WRITERS {
        connections.push(PgConnection::connect(&url).await?);
    }
    let began = Instant::now();
    let clients = connections.into_iter().zip(0..);
    let tasks: Vec<_> =
        clients.map(|(connection, writer)| tokio::spawn(insert(connection, Arc::clone(&clock), writer))).collect();
    let mut each = Vec::new();
    for task in tasks {
        each.extend(task.await??);
    }
    let arm = Arm::of(began.elapsed(), each);
    if std::env::var_os("BENCH_VERBOSE").is_some() {
        eprintln!("{:.0}/s without the library", arm.amount);
    }
    Ok(arm)
}

async fn insert(mut connection: PgConnection, clock: Arc<SystemClock>, writer: u64) -> anyhow::Result<Vec<Duration>> {
    let mut each = Vec::new();
    for n in 0..APPENDS_EACH {
        let (to, event) = (stream(writer, n).to_string(), event(&clock));
        let began = Instant::now();
        let query = sqlx::query(INSERT)
            .bind(event.id.0.as_bytes().as_slice())
            .bind(to)
            .bind((n % STREAM_EVENTS).cast_signed())
            .bind(event.kind.as_str())
            .bind(i32::from(event.schema))
            .bind(event.recorded_at.timestamp_micros())
            .bind(event.effective_at.timestamp_micros())
            .bind(event.actor.kind.as_str())
            .bind(event.actor.id.as_str())
            .bind(event.origin.as_str())
            .bind(event.correlation.as_str())
            .bind(event.causation.as_ref().map(|id| id.0.as_bytes().as_slice()))
            .bind([7_u8; 32].as_slice())
            .bind(event.data.as_str());
        query.execute(&mut connection).await?;
        each.push(began.elapsed());
    }
    connection.close().await?;
    Ok(each)
}
