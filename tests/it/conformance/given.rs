//! Events, streams and folders for the suites.

use std::{path::Path, sync::Arc};

use chrono::DateTime;
use syncledger::{
    adapters::{
        memory::VirtualClock,
        postgres::{self, PostgresLedger},
        sqlite::{self, SqliteLedger},
        system::SystemClock,
    },
    domain::ids::{CorrelationId, EventId, Position, Version},
    ledger::append::leaf_at,
    ports::{
        clock::Clock,
        event_store::{EventStore, ExpectedVersion, Failure},
    },
    record::{
        envelope::{Actor, NewEvent, Origin, StoredEvent},
        stream::{Category, StreamName},
    },
};
use tempfile::TempDir;
use uuid::Uuid;

/// A virtual clock at a fixed instant.
pub fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new(1, DateTime::from_timestamp(1_780_000_000, 0).unwrap()))
}

/// A folder on the disk the build is on: `/tmp` may be memory, where an fsync costs and proves nothing.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

pub async fn open_sqlite(folder: &Path) -> SqliteLedger {
    let options = sqlite::Options { path: folder.join("ledger.db"), workspace: "loft".to_owned() };
    SqliteLedger::open(options, Arc::new(SystemClock::new())).await.unwrap()
}

pub fn postgres_options(url: &str) -> postgres::Options {
    postgres::Options { server: postgres::Server::new(url, None).unwrap(), workspace: "loft".to_owned() }
}

pub async fn open_postgres(url: &str) -> PostgresLedger {
    PostgresLedger::open(postgres_options(url), Arc::new(SystemClock::new())).await.unwrap()
}

pub fn stream(id: &str) -> StreamName {
    StreamName { category: Category::Booking, id: id.to_owned() }
}

/// An event with this id and data.
pub fn event_of(id: EventId, data: &str) -> NewEvent {
    let at = DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap();
    NewEvent {
        id,
        kind: "booking.registered".to_owned(),
        schema: 1,
        recorded_at: at,
        effective_at: at,
        actor: Actor::new("source", "uschedule"),
        origin: Origin::Webhook,
        correlation: CorrelationId("delivery-1".to_owned()),
        causation: None,
        data: data.to_owned(),
    }
}

/// An event with a fresh id; `n` stands in its data.
pub fn event(n: u64) -> NewEvent {
    let clock = std::sync::LazyLock::force(&CLOCK);
    event_of(clock.event_id(), &format!(r#"{{"n":{n}}}"#))
}

static CLOCK: std::sync::LazyLock<SystemClock> = std::sync::LazyLock::new(SystemClock::new);

/// An event whose id is this number.
pub fn numbered(id: u128, data: &str) -> NewEvent {
    event_of(EventId(Uuid::from_u128(id)), data)
}

pub async fn append(
    store: &dyn EventStore,
    to: &str,
    expected: ExpectedVersion,
    events: &[NewEvent],
) -> Result<(u64, u64, bool), Failure> {
    let done = store.append(&stream(to), expected, events.to_vec()).await?;
    Ok((done.version.0, done.position.0, done.repeated))
}

pub const fn exact(version: u64) -> ExpectedVersion {
    ExpectedVersion::Exact(Version(version))
}

/// Everything in the ledger, read in pages, after checking what must hold of any ledger: dense positions, dense versions
/// per stream, unique ids, leaf hashes that recompute, and the same events by every other way of reading.
pub async fn sound(store: &dyn EventStore) -> Vec<StoredEvent> {
    let mut all: Vec<StoredEvent> = Vec::new();
    loop {
        let page = store.read_all(Position(all.len() as u64), 97).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    assert_eq!(store.end().await.unwrap(), Position(all.len() as u64));
    let mut ends = std::collections::BTreeMap::new();
    let mut ids = std::collections::HashSet::new();
    for (at, it) in all.iter().enumerate() {
        assert_eq!(it.position, Position(at as u64));
        let next: &mut u64 = ends.entry(it.stream.clone()).or_default();
        assert_eq!(it.version, Version(*next), "{} has a gap", it.stream);
        *next += 1;
        assert!(ids.insert(it.event.id));
        assert_eq!(it.leaf, leaf_at(&it.stream.to_string(), it.version, it.position, &it.event));
    }
    for (name, length) in ends {
        let wanted: Vec<_> = all.iter().filter(|it| it.stream == name).cloned().collect();
        assert_eq!(wanted.len() as u64, length);
        assert_eq!(store.read_stream(&name, Version(0), usize::MAX).await.unwrap(), wanted);
        assert_eq!(store.last(&name).await.unwrap().as_ref(), wanted.last());
    }
    all
}
