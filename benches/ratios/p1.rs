//! P1 and P1b: durable, acknowledged appends of one event each, through the library and in a bare SQLite loop.
//!
//! Both arms: a new file on the same disk, WAL with `synchronous=FULL`, the same table with the same three indexes, events of
//! the same size with UUIDv7 ids, spread over streams in the same way. The bare loop has one prepared statement and commits
//! each insert; it keeps no trigger, hashes nothing and judges nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use syncledger::{
    adapters::{
        sqlite::{Options, SqliteLedger},
        system::SystemClock,
    },
    domain::ids::{CorrelationId, Version},
    ports::{
        clock::Clock as _,
        event_store::{EventStore as _, ExpectedVersion},
        upkeep::Upkeep as _,
    },
    record::{
        envelope::{Actor, NewEvent, Origin},
        stream::{Category, StreamName},
    },
};

use crate::report::{Arm, Measure};

/// Events per stream: about what a booking and its link see in their lives.
pub const STREAM_EVENTS: u64 = 10;

/// Appends per arm that commits each one.
const APPENDS: u64 = 3_000;

/// Appends of each of many writers.
const APPENDS_EACH: u64 = 400;

const WRITERS: u64 = 64;

pub fn many_writers(runs: usize) -> anyhow::Result<Measure> {
    let what = "durable appends, 64 concurrent writers through the library ÷ bare SQLite, one insert per commit";
    Measure::of(("P1", what, 6.0), runs, || library(WRITERS, APPENDS_EACH), || bare(WRITERS))
}

pub fn one_writer(runs: usize) -> anyhow::Result<Measure> {
    let what = "durable appends, 1 writer through the library ÷ bare SQLite, one insert per commit";
    Measure::of(("P1b", what, 0.8), runs, || library(1, APPENDS), || bare(1))
}

pub fn folder() -> anyhow::Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

pub fn stream(writer: u64, n: u64) -> StreamName {
    StreamName { category: Category::Booking, id: format!("uschedule.{writer:04}-{:08}", n / STREAM_EVENTS) }
}

pub fn event(clock: &SystemClock) -> NewEvent {
    let now = clock.now();
    NewEvent {
        id: clock.event_id(),
        kind: "booking.rescheduled".to_owned(),
        schema: 1,
        recorded_at: now,
        effective_at: now,
        actor: Actor::new("source", "uschedule"),
        origin: Origin::Webhook,
        correlation: CorrelationId("delivery.uschedule.0123456789abcdef".to_owned()),
        causation: Some(clock.event_id()),
        data: format!(
            r#"{{"revision":7,"slot":{{"start":"2026-11-21T09:00:00Z","end":"2026-11-21T10:00:00Z","zone":"Europe/Zurich"}},"resource":"bay-1","details":{{"subject":"uschedule.customer.4711","nonce":"{:048x}","sealed":"{:0200x}"}}}}"#,
            clock.chance(),
            clock.chance()
        ),
    }
}

fn library(writers: u64, appends: u64) -> anyhow::Result<Arm> {
    let folder = folder()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let options = Options { path: folder.path().join("ledger.db"), workspace: "bench".to_owned() };
        let ledger = SqliteLedger::open(options, Arc::<SystemClock>::clone(&clock)).await?;
        let began = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| tokio::spawn(write(ledger.clone(), Arc::clone(&clock), writer, appends)))
            .collect();
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
    })
}

pub async fn write(
    ledger: SqliteLedger,
    clock: Arc<SystemClock>,
    writer: u64,
    appends: u64,
) -> anyhow::Result<Vec<Duration>> {
    let mut each = Vec::new();
    for n in 0..appends {
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

const TABLE: &str = "CREATE TABLE events (position INTEGER NOT NULL PRIMARY KEY, id BLOB NOT NULL UNIQUE, stream TEXT NOT NULL, \
     version INTEGER NOT NULL, type TEXT NOT NULL, schema INTEGER NOT NULL, recorded_at INTEGER NOT NULL, \
     effective_at INTEGER NOT NULL, actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL, origin TEXT NOT NULL, \
     correlation TEXT NOT NULL, causation BLOB, leaf BLOB NOT NULL, data TEXT NOT NULL, UNIQUE (stream, version)) STRICT";

const INSERT: &str = "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

fn bare(writers: u64) -> anyhow::Result<Arm> {
    let folder = folder()?;
    let clock = SystemClock::new();
    let connection = rusqlite::Connection::open(folder.path().join("bare.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLE)?;
    let mut insert = connection.prepare(INSERT)?;
    let mut each = Vec::new();
    let start = Instant::now();
    for n in 0..APPENDS {
        // As if the writers took turns.
        let (writer, nth) = (n % writers, n / writers);
        let (to, event) = (stream(writer, nth).to_string(), event(&clock));
        let began = Instant::now();
        insert.execute(rusqlite::params![
            n.cast_signed(),
            event.id.0.as_bytes().as_slice(),
            to,
            (nth % STREAM_EVENTS).cast_signed(),
            event.kind,
            event.schema,
            event.recorded_at.timestamp_micros(),
            event.effective_at.timestamp_micros(),
            event.actor.kind,
            event.actor.id,
            event.origin.as_str(),
            event.correlation.as_str(),
            event.causation.as_ref().map(|id| id.0.as_bytes().as_slice()),
            [7_u8; 32].as_slice(),
            event.data,
        ])?;
        each.push(began.elapsed());
    }
    Ok(Arm::of(start.elapsed(), each))
}
