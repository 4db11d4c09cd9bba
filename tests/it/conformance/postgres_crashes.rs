//! PostgreSQL that stalls, dies and comes back: no reader skips, nothing acknowledged is lost, and nobody starts anything
//! again by hand but the server.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use sqlx::{Executor as _, PgConnection, Row as _};
use syncledger::{
    adapters::postgres::{PostgresLedger, PostgresVault},
    domain::ids::{EventId, Position, SubjectId},
    ports::{
        clock::Clock as _,
        event_store::{EventStore as _, ExpectedVersion, Failure},
        vault::{KeyState, Vault as _},
    },
    record::wrap::MasterKey,
};
use tokio::task::block_in_place;

use super::{
    given::{append, clock, event, open_postgres, sound},
    postgres::{LOCK, ONE_MORE},
};
use crate::support::{
    patience::{eventually, some_moments, time_passes},
    postgres::{Database, Server},
    size::sized,
};

/// Until another session waits for a lock: what was started has come as far as it can.
async fn until_somebody_waits(raw: &mut PgConnection) {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let waits = eventually(async || raw.fetch_one(WAITING).await.unwrap().get::<i64, _>(0) > 0);
    assert!(waits.await, "nobody waits");
}

/// A session has written the next position and stalls before its commit, with the lock or without it. Readers see what is
/// before it and no more; the ledger's own append waits; and when the session dies, its place is taken by that append.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_transaction_makes_nobody_skip() {
    for locked in [true, false] {
        let database = Database::new().await;
        let (ledger, other) = (open_postgres(&database.url()).await, open_postgres(&database.url()).await);
        for n in 0..5 {
            append(&ledger, "a", ExpectedVersion::Any, &[event(n)]).await.unwrap();
        }
        let (mut stalled, mut raw) = (database.connect().await, database.connect().await);
        stalled.execute(if locked { LOCK } else { "BEGIN" }).await.unwrap();
        stalled.execute(ONE_MORE).await.unwrap();
        let ours = event(9);
        let appending = {
            let (ledger, ours) = (ledger.clone(), ours.clone());
            tokio::spawn(async move { append(&ledger, "a", ExpectedVersion::Any, &[ours]).await })
        };
        until_somebody_waits(&mut raw).await;
        for reader in [&ledger, &other] {
            assert_eq!(reader.read_all(Position(0), 100).await.unwrap().len(), 5);
            assert_eq!(reader.read_all(Position(5), 100).await.unwrap().len(), 0);
            assert_eq!(reader.end().await.unwrap(), Position(5));
        }
        assert!(!appending.is_finished());
        drop(stalled);
        assert_eq!(appending.await.unwrap().unwrap(), (5, 5, false));
        assert_eq!(sound(&other).await[5].event.id, ours.id);
    }
}

/// The same, but it commits in the end: its event is at its place, ours is behind it, and nobody has seen ours alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_stalled_and_commits_comes_first() {
    let database = Database::new().await;
    let (ledger, other) = (open_postgres(&database.url()).await, open_postgres(&database.url()).await);
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    let (mut stalled, mut raw) = (database.connect().await, database.connect().await);
    stalled.execute("BEGIN").await.unwrap();
    stalled.execute(ONE_MORE).await.unwrap();
    let appending = {
        let ledger = ledger.clone();
        tokio::spawn(async move { append(&ledger, "a", ExpectedVersion::Any, &[event(1)]).await })
    };
    until_somebody_waits(&mut raw).await;
    assert_eq!(other.end().await.unwrap(), Position(1));
    stalled.execute("COMMIT").await.unwrap();
    assert_eq!(appending.await.unwrap().unwrap(), (1, 2, false));
    let all = other.read_all(Position(0), 9).await.unwrap();
    assert_eq!(
        all.iter().map(|it| it.stream.to_string()).collect::<Vec<_>>(),
        ["booking-a", "booking-raw0", "booking-a"]
    );
}

/// One that appends and appends, each event until it is acknowledged, as long as it may.
async fn insist(
    ledger: PostgresLedger,
    client: u64,
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Vec<(u64, EventId)> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let mut it = event(n);
        let to = format!("c{}", client % 7);
        loop {
            match append(&ledger, &to, ExpectedVersion::Any, std::slice::from_ref(&it)).await {
                Ok((_, position, _)) => break acknowledged.push((position, it.id)),
                Err(Failure::Unavailable(_)) => {
                    // A retry reads the clock anew.
                    it.recorded_at += chrono::TimeDelta::seconds(1);
                    some_moments(15).await;
                }
                Err(other) => panic!("{other}"),
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_loses_nothing_and_is_found_again() {
    const CLIENTS: u64 = 24;
    // So many crashes, and so long without the server each time.
    let (crashes, away_ms) = sized((3, 0), (10, 60_000));
    let server = Server::start();
    let database = Database::within(server.url()).await;
    let ledger = open_postgres(&database.url()).await;
    let (done, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(insist(ledger.clone(), client, Arc::clone(&done), Arc::clone(&stop))))
        .collect();
    for crash in 0..crashes {
        let enough = done.load(Ordering::Relaxed) + 150 + crash * 37;
        let recovered = eventually(async || done.load(Ordering::Relaxed) >= enough).await;
        assert!(recovered, "it never recovered: {:?}", ledger.writer_state());
        block_in_place(|| server.stop_at_once());
        time_passes(away_ms).await;
        block_in_place(|| server.start_again());
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.extend(client.await.unwrap());
    }
    assert!(ledger.writer_state().failures >= 1);
    assert_eq!(ledger.writer_state().failing, None);
    let all = sound(&ledger).await;
    assert_eq!(all.len(), acknowledged.len(), "everything was acknowledged in the end, and nothing is there twice");
    for (position, id) in acknowledged {
        assert_eq!(all[usize::try_from(position).unwrap()].event.id, id);
    }
    println!("{crashes} crashes of the server, {away_ms} ms without it each time, {} acknowledged events", all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_breaks_while_nobody_writes_is_replaced_before_the_next_append() {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    let mut raw = database.connect().await;
    const ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    raw.execute(ALL).await.unwrap();
    let noticed = eventually(async || {
        let state = ledger.writer_state();
        state.failures > 0 && state.failing.is_none()
    });
    assert!(noticed.await, "it was not noticed");
    assert_eq!(append(&ledger, "a", ExpectedVersion::Any, &[event(1)]).await.unwrap(), (1, 1, false));
    assert_eq!(sound(&ledger).await.len(), 2);
}

/// In how many files of a database `needle` is.
fn found(files: &Path, needle: &[u8]) -> usize {
    let entries = fs::read_dir(files).unwrap().map(Result::unwrap);
    let bytes = entries.filter_map(|entry| fs::read(entry.path()).ok());
    bytes.filter(|bytes| holds(bytes, needle)).count()
}

/// Looks closely only where the first byte is right.
fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == needle[0]);
    starts.into_iter().any(|(at, _)| bytes[at..].starts_with(needle))
}

#[tokio::test]
async fn a_destroyed_key_is_in_no_table_s_file() {
    let server = Server::start();
    let database = Database::within(server.url()).await;
    let ledger = open_postgres(&database.url()).await;
    let vault = PostgresVault::new(&ledger, MasterKey::new([7; 32]));
    let anna = SubjectId::new("anna").unwrap();
    for n in 0..40 {
        vault.key_or_new(&SubjectId::new(format!("s{n}")).unwrap()).await.unwrap();
    }
    vault.key_or_new(&anna).await.unwrap();
    let (mut raw, mut old) = (database.connect().await, database.connect().await);
    let row = raw.fetch_one("SELECT wrapped, nonce FROM subject_keys WHERE subject = 'anna'").await.unwrap();
    let (wrapped, nonce): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    drop(row);
    raw.execute("CHECKPOINT").await.unwrap();
    let row = raw.fetch_one("SELECT 'base/' || oid FROM pg_database WHERE datname = current_database()").await.unwrap();
    let files = server.files().join(row.get::<String, _>(0));
    assert!(found(&files, &wrapped) > 0 && found(&files, &nonce) > 0, "the search itself works");

    // A transaction that began before would have VACUUM keep the row.
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ledger").await.unwrap();
    vault.destroy(&anna, clock().now()).await.unwrap();
    raw.execute("CHECKPOINT").await.unwrap();
    assert_eq!((found(&files, &wrapped), found(&files, &wrapped[..12]), found(&files, &nonce)), (0, 0, 0));
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Destroyed(_)));
    for n in 0..40 {
        let other = vault.key(&SubjectId::new(format!("s{n}")).unwrap()).await.unwrap();
        assert!(matches!(other, KeyState::Held(_)));
    }
}
