//! The suites on SQLite, and what only a file can show.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use syncledger::{
    adapters::{
        memory::VirtualClock,
        sqlite::{OpenFailure, Options, SqliteLedger, SqliteTokens, SqliteVault, path_of_url},
    },
    domain::ids::{Position, SubjectId, Version},
    ports::{
        clock::Clock as _,
        event_store::{EventStore as _, ExpectedVersion, Failure},
        rotation::Rotation as _,
        upkeep::Upkeep as _,
        vault::{self, KeyState, Vault as _},
    },
    record::wrap::MasterKey,
};
use tempfile::TempDir;
use tokio::select;

use super::{
    event_store::{Store, event_store_suite},
    given::{append, clock, event, exact, folder, open_sqlite, sound, stream},
    rotation::{rotation_suite, two_keys},
    tokens::tokens_suite,
    vault::vault_suite,
};
use crate::support::patience::{eventually, some_moments};

async fn open() -> (Store, TempDir) {
    let folder = folder();
    (Arc::new(open_sqlite(folder.path()).await), folder)
}

async fn open_vault() -> (Arc<SqliteVault>, TempDir) {
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    (Arc::new(SqliteVault::new(&ledger, MasterKey::new([7; 32]))), folder)
}

async fn open_rotation() -> (Arc<SqliteVault>, String, TempDir) {
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    (Arc::new(SqliteVault::new(&ledger, two_keys())), MasterKey::new([8; 32]).id().to_owned(), folder)
}

async fn open_tokens() -> (SqliteTokens, TempDir) {
    let folder = folder();
    (SqliteTokens::new(&open_sqlite(folder.path()).await), folder)
}

event_store_suite!(open);
vault_suite!(open_vault);
rotation_suite!(open_rotation);
tokens_suite!(open_tokens);

/// The file as anyone may open it.
async fn raw(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(folder.join("ledger.db")).connect().await.unwrap()
}

#[tokio::test]
async fn reopening_finds_everything() {
    let folder = folder();
    let (first, second) = ([event(1), event(2)], [event(3)]);
    let ledger = open_sqlite(folder.path()).await;
    append(&ledger, "a", ExpectedVersion::NoStream, &first).await.unwrap();
    let before = sound(&ledger).await;
    ledger.close().await;
    assert!(matches!(append(&ledger, "a", ExpectedVersion::Any, &second).await, Err(Failure::Unavailable(_))));
    assert!(matches!(ledger.end().await, Err(Failure::Unavailable(_))));

    let ledger = open_sqlite(folder.path()).await;
    assert_eq!(sound(&ledger).await, before);
    assert_eq!(append(&ledger, "a", ExpectedVersion::NoStream, &first).await.unwrap(), (1, 1, true));
    assert!(matches!(append(&ledger, "a", exact(0), &second).await, Err(Failure::Conflict { .. })));
    assert!(matches!(append(&ledger, "a", exact(9), &second).await, Err(Failure::Conflict { .. })));
    assert!(matches!(append(&ledger, "b", exact(0), &second).await, Err(Failure::Conflict { .. })));
    assert_eq!(append(&ledger, "a", exact(1), &second).await.unwrap(), (2, 2, false));
    assert_eq!(sound(&ledger).await.len(), 3);
}

#[tokio::test]
async fn a_refused_append_does_not_fail_its_neighbours() {
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    let taken = event(0);
    append(&ledger, "a", ExpectedVersion::NoStream, std::slice::from_ref(&taken)).await.unwrap();
    let commits = ledger.writer_state().commits;
    // While another process holds the lock they all queue up, and then go in together.
    let mut lock = raw(folder.path()).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.unwrap();
    let appends = (0..30_u64).map(|n| {
        let (ledger, taken) = (ledger.clone(), taken.clone());
        tokio::spawn(async move {
            match n % 3 {
                0 => append(&ledger, "a", exact(77), &[event(n)]).await.map(|_| ()),
                1 => append(&ledger, "b", ExpectedVersion::Any, &[taken]).await.map(|_| ()),
                _ => append(&ledger, &format!("c{n}"), ExpectedVersion::NoStream, &[event(n)]).await.map(|_| ()),
            }
        })
    });
    let appends: Vec<_> = appends.collect();
    // On one thread, each has come as far as the queue when this one has its turn again.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ledger.writer_state().commits, commits);
    sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
    for (n, handle) in appends.into_iter().enumerate() {
        let answer = handle.await.unwrap();
        let right = match n % 3 {
            0 => matches!(answer, Err(Failure::Conflict { .. })),
            1 => matches!(answer, Err(Failure::IdTaken(_))),
            _ => answer.is_ok(),
        };
        assert!(right, "append {n} gave {answer:?}");
    }
    assert!(ledger.writer_state().commits <= commits + 3, "they shared commits");
    assert_eq!(sound(&ledger).await.len(), 11);
}

#[tokio::test]
async fn the_writer_tells_how_it_is_doing() {
    let folder = folder();
    let clock = clock();
    let options = Options { path: folder.path().join("ledger.db"), workspace: "loft".to_owned() };
    let ledger = SqliteLedger::open(options, Arc::<VirtualClock>::clone(&clock)).await.unwrap();
    let fresh = ledger.writer_state();
    assert_eq!((fresh.commits, fresh.events, fresh.last_commit_at, fresh.failing), (0, 0, None, None));
    append(&ledger, "a", ExpectedVersion::Any, &[event(0), event(1)]).await.unwrap();
    append(&ledger, "a", exact(9), &[event(0)]).await.unwrap_err();
    let after = ledger.writer_state();
    assert_eq!((after.commits, after.events, after.queued, after.failures), (1, 2, 0, 0));
    assert_eq!(after.last_commit_at, Some(clock.now()));
}

#[tokio::test]
async fn another_ledger_is_refused() {
    let folder = folder();
    let path = folder.path().join("ledger.db");
    open_sqlite(folder.path()).await.close().await;
    let open = |path: &Path, workspace: &str| {
        SqliteLedger::open(Options { path: path.to_owned(), workspace: workspace.to_owned() }, clock())
    };
    let refused = open(&path, "attic").await.err().unwrap();
    assert!(matches!(&refused, OpenFailure::OtherWorkspace { found, .. } if found == "loft"), "{refused}");

    sqlx::query("UPDATE ledger SET format = 2").execute(&mut raw(folder.path()).await).await.unwrap();
    assert!(matches!(open(&path, "loft").await.err().unwrap(), OpenFailure::TooNew { found: 2, .. }));

    let text = folder.path().join("notes.txt");
    fs::write(&text, "not a database, but long enough to be mistaken for one. ".repeat(100)).unwrap();
    assert!(matches!(open(&text, "loft").await.err().unwrap(), OpenFailure::Sqlite { .. }));
    assert!(fs::read_to_string(&text).unwrap().starts_with("not a database"));
}

#[test]
fn an_address_has_no_settings() {
    assert_eq!(path_of_url("sqlite://data/ledger.db").unwrap(), Path::new("data/ledger.db"));
    assert_eq!(path_of_url("sqlite:///var/lib/l.db").unwrap(), Path::new("/var/lib/l.db"));
    for url in [
        "sqlite://",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite://a.db?mode=memory",
        "sqlite://a.db?synchronous=off",
        "a.db",
        "postgres://h/d",
        "sqlite://folder/",
        "sqlite://a#b",
    ] {
        assert!(path_of_url(url).is_err(), "{url}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 2);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn the_file_itself_refuses_gaps_and_changes() {
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(0), event(1)]).await.unwrap();
    let mut raw = raw(folder.path()).await;
    const LEAVE_A_POSITION: &str = "INSERT INTO events SELECT 3, randomblob(16), 'booking-b', 0, type, schema, recorded_at, \
         effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data FROM events WHERE position = 1";
    const LEAVE_A_VERSION: &str = "INSERT INTO events SELECT 2, randomblob(16), stream, 3, type, schema, recorded_at, \
         effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data FROM events WHERE position = 1";
    for (refused, why) in [
        ("UPDATE events SET data = '{}' WHERE position = 0", "events are not changed"),
        ("DELETE FROM events", "events are not removed"),
        (LEAVE_A_POSITION, "positions and versions are dense"),
        (LEAVE_A_VERSION, "positions and versions are dense"),
    ] {
        let error = sqlx::query(refused).execute(&mut raw).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(sound(&ledger).await.len(), 2);
}

#[tokio::test]
async fn a_bad_row_is_damage_with_its_position() {
    let changes = [
        "UPDATE events SET origin = 'elsewhere' WHERE position = 3",
        "UPDATE events SET stream = 'nonsense' WHERE position = 3",
        "UPDATE events SET id = x'00' WHERE position = 3",
        "UPDATE events SET leaf = x'00' WHERE position = 3",
        "UPDATE events SET schema = 70000 WHERE position = 3",
        "UPDATE events SET recorded_at = 9223372036854775807 WHERE position = 3",
        "UPDATE events SET causation = x'0011' WHERE position = 3",
        "UPDATE events SET version = -1 WHERE position = 3",
        "UPDATE events SET data = CAST(x'ff' AS TEXT) WHERE position = 3",
        "DELETE FROM events WHERE position = 3",
    ];
    for change in changes {
        let folder = folder();
        let ledger = open_sqlite(folder.path()).await;
        for n in 0..6 {
            append(&ledger, "a", ExpectedVersion::Any, &[event(n)]).await.unwrap();
        }
        let mut raw = raw(folder.path()).await;
        for prepare in [
            "DROP TRIGGER events_are_not_changed",
            "DROP TRIGGER events_are_not_removed",
            "PRAGMA ignore_check_constraints = ON",
            change,
        ] {
            sqlx::query(prepare).execute(&mut raw).await.unwrap();
        }
        match ledger.read_all(Position(0), 10).await {
            Err(Failure::Corrupt { at, .. }) => assert_eq!(at, "position 3", "{change}"),
            other => panic!("{change} gave {other:?}"),
        }
        assert_eq!(ledger.read_all(Position(0), 3).await.unwrap().len(), 3, "what is before it can be read");
        if change.starts_with("DELETE") {
            let failure = ledger.read_stream(&stream("a"), Version(0), 10).await.unwrap_err();
            assert!(matches!(failure, Failure::Corrupt { at, .. } if at == "version 3 of booking-a"));
        }
    }
}

#[tokio::test]
async fn who_holds_the_key_before_adds_nothing_under_it() {
    let (vault, other, folder) = open_rotation().await;
    let anna = vault.key_or_new(&SubjectId::new("anna").unwrap()).await.unwrap();
    let ledger = open_sqlite(folder.path()).await;
    let late = SqliteVault::new(&ledger, MasterKey::new([7; 32]));
    late.ready().await.unwrap();
    vault.begin(MasterKey::new([7; 32]).id(), &other, clock().now()).await.unwrap();
    let berta = SubjectId::new("berta").unwrap();
    assert!(matches!(late.key_or_new(&berta).await, Err(vault::Failure::NoMaster(id)) if id == other));
    assert!(matches!(late.ready().await, Err(vault::Failure::NoMaster(_))), "and refuses to start");
    while vault.rewrap(9).await.unwrap() > 0 {}
    vault.finish().await.unwrap();
    vault.key_or_new(&berta).await.unwrap();
    let only = SqliteVault::new(&ledger, MasterKey::new([8; 32]));
    only.ready().await.unwrap();
    let kept = only.key(&SubjectId::new("anna").unwrap()).await.unwrap();
    assert!(matches!(kept, KeyState::Held(key) if key.bytes == anna.bytes));
}

#[tokio::test]
async fn the_vault_opens_only_under_its_master_key_and_row() {
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    let (anna, berta) = (SubjectId::new("anna").unwrap(), SubjectId::new("berta").unwrap());
    let vault = SqliteVault::new(&ledger, MasterKey::new([7; 32]));
    let key = vault.key_or_new(&anna).await.unwrap();
    vault.key_or_new(&berta).await.unwrap();

    let wrong = SqliteVault::new(&ledger, MasterKey::new([8; 32]));
    assert!(matches!(wrong.key(&anna).await, Err(vault::Failure::WrongMaster(who)) if who == anna));
    assert!(matches!(wrong.key_or_new(&anna).await, Err(vault::Failure::WrongMaster(_))));

    let mut raw = raw(folder.path()).await;
    let wrapped: Vec<u8> = sqlx::query("SELECT wrapped FROM subject_keys WHERE subject = 'anna'")
        .fetch_one(&mut raw)
        .await
        .unwrap()
        .get(0);
    assert!(wrapped.len() > 32 && !wrapped.windows(8).any(|w| key.bytes.windows(8).any(|k| k == w)));
    const MOVE: &str = "UPDATE subject_keys SET (key_id, nonce, wrapped) = \
         (SELECT key_id, nonce, wrapped FROM subject_keys WHERE subject = 'anna') WHERE subject = 'berta'";
    sqlx::query(MOVE).execute(&mut raw).await.unwrap();
    let fresh = SqliteVault::new(&ledger, MasterKey::new([7; 32]));
    assert!(matches!(fresh.key(&anna).await.unwrap(), KeyState::Held(held) if held.bytes == key.bytes));
    assert!(matches!(fresh.key(&berta).await, Err(vault::Failure::WrongMaster(_))));
}

#[tokio::test]
async fn a_destroyed_key_is_in_no_file() {
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    let vault = SqliteVault::new(&ledger, MasterKey::new([7; 32]));
    let anna = SubjectId::new("anna").unwrap();
    for n in 0..40 {
        vault.key_or_new(&SubjectId::new(format!("s{n}")).unwrap()).await.unwrap();
    }
    vault.key_or_new(&anna).await.unwrap();
    let (mut raw, mut other) = (raw(folder.path()).await, raw(folder.path()).await);
    let query = sqlx::query("SELECT wrapped, nonce FROM subject_keys WHERE subject = 'anna'");
    let row = query.fetch_one(&mut raw).await.unwrap();
    let (wrapped, nonce): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    drop(row);
    let found = |needle: &[u8]| {
        let files = fs::read_dir(folder.path()).unwrap().map(|f| fs::read(f.unwrap().path()).unwrap());
        files.map(|bytes| bytes.windows(needle.len()).filter(|w| *w == needle).count()).sum::<usize>()
    };
    assert!(found(&wrapped) > 0 && found(&nonce) > 0, "the search itself works");

    // A reader in the middle of a transaction keeps the old log: then nobody is told that the key is gone.
    sqlx::query("BEGIN").execute(&mut raw).await.unwrap();
    sqlx::query("SELECT count(*) FROM subject_keys").fetch_one(&mut raw).await.unwrap();
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    let reads = Arc::new(AtomicBool::new(true));
    let pending = {
        let (at, reads) = (ledger_time(), Arc::clone(&reads));
        tokio::spawn(async move {
            let outcome = vault.destroy(&anna, at).await;
            (vault, anna, outcome, reads.load(Ordering::SeqCst))
        })
    };
    const GONE: &str = "SELECT count(*) FROM subject_keys WHERE subject = 'anna' AND destroyed_at IS NOT NULL";
    let gone = async || sqlx::query(GONE).fetch_one(&mut other).await.unwrap().get::<i64, _>(0) == 1;
    assert!(eventually(gone).await, "the row is changed at once");
    some_moments(300).await;
    reads.store(false, Ordering::SeqCst);
    sqlx::query("ROLLBACK").execute(&mut raw).await.unwrap();
    let (vault, anna, outcome, told_too_soon) = pending.await.unwrap();
    outcome.unwrap();
    assert!(!told_too_soon);
    assert_eq!((found(&wrapped), found(&wrapped[..12]), found(&nonce)), (0, 0, 0));
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Destroyed(_)));
}

fn ledger_time() -> chrono::DateTime<chrono::Utc> {
    clock().now()
}

#[tokio::test]
async fn a_key_destroyed_by_another_process_is_noticed() {
    let folder = folder();
    let clock = clock();
    let options = Options { path: folder.path().join("ledger.db"), workspace: "loft".to_owned() };
    let here = SqliteLedger::open(options, Arc::<VirtualClock>::clone(&clock)).await.unwrap();
    let there = open_sqlite(folder.path()).await;
    let anna = SubjectId::new("anna").unwrap();
    let vault = SqliteVault::new(&here, MasterKey::new([7; 32]));
    vault.key_or_new(&anna).await.unwrap();
    SqliteVault::new(&there, MasterKey::new([7; 32])).destroy(&anna, clock.now()).await.unwrap();
    clock.advance(TimeDelta::seconds(3));
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Destroyed(_)));
    assert!(matches!(vault.key_or_new(&anna).await, Err(vault::Failure::Forgotten(_))));
}

#[tokio::test]
async fn a_waiting_reader_sees_what_another_process_wrote() {
    let folder = folder();
    let (here, there) = (open_sqlite(folder.path()).await, open_sqlite(folder.path()).await);
    let waiting = {
        let here = here.clone();
        tokio::spawn(async move { here.wait(Position(0)).await })
    };
    tokio::task::yield_now().await;
    append(&there, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    select! {
        woken = waiting => woken.unwrap(),
        () = here.wait(Position(1_000)) => panic!("news came no sooner than none"),
    }
    assert_eq!(here.read_all(Position(0), 9).await.unwrap().len(), 1);
    // What this process knew of the ledger's end is out of date: it must notice when it writes.
    assert_eq!(append(&here, "b", ExpectedVersion::NoStream, &[event(1)]).await.unwrap(), (0, 1, false));
    assert_eq!(append(&there, "a", exact(0), &[event(2)]).await.unwrap(), (1, 2, false));
    assert!(matches!(
        append(&here, "a", exact(0), &[event(3)]).await,
        Err(Failure::Conflict { actual: Some(Version(1)), .. })
    ));
    assert_eq!(sound(&here).await, sound(&there).await);
    there.close().await;
    here.close().await;
    raw(folder.path()).await.close().await.unwrap();
}
