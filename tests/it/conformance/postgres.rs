//! The suites on PostgreSQL, and what only a server can show: its crashes are in `postgres_crashes.rs`.

use std::sync::Arc;

use chrono::TimeDelta;
use sqlx::{Executor as _, Row as _};
use syncledger::{
    adapters::{
        memory::VirtualClock,
        postgres::{OpenFailure, PostgresCheckpoints, PostgresLedger, PostgresTokens, PostgresVault},
    },
    domain::ids::{Position, SubjectId, Version},
    ports::{
        checkpoints::Checkpoints as _,
        clock::Clock as _,
        event_store::{EventStore as _, ExpectedVersion, Failure},
        upkeep::Upkeep as _,
        vault::{self, KeyState, Vault as _},
    },
    record::wrap::MasterKey,
};
use tokio::select;

use super::{
    event_store::{Store, event_store_suite},
    given::{append, clock, event, exact, open_postgres, postgres_options, sound, stream},
    rotation::{rotation_suite, two_keys},
    tokens::tokens_suite,
    vault::vault_suite,
};
use crate::support::postgres::Database;

async fn open() -> (Store, Database) {
    let database = Database::new().await;
    (Arc::new(open_postgres(&database.url()).await), database)
}

async fn open_vault() -> (Arc<PostgresVault>, Database) {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    (Arc::new(PostgresVault::new(&ledger, MasterKey::new([7; 32]))), database)
}

async fn open_rotation() -> (Arc<PostgresVault>, String, Database) {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    (Arc::new(PostgresVault::new(&ledger, two_keys())), MasterKey::new([8; 32]).id().to_owned(), database)
}

async fn open_tokens() -> (PostgresTokens, Database) {
    let database = Database::new().await;
    (PostgresTokens::new(&open_postgres(&database.url()).await), database)
}

event_store_suite!(open);
vault_suite!(open_vault);
rotation_suite!(open_rotation);
tokens_suite!(open_tokens);

/// Takes the writers' lock for as long as the transaction lasts.
pub const LOCK: &str = "BEGIN; SELECT pg_advisory_xact_lock(1937337955, 1)";

/// Writes the event after the last, as the ledger would, but for its hash.
pub const ONE_MORE: &str = "INSERT INTO events SELECT position + 1, decode(md5(position::text), 'hex'), 'booking-raw' || position, 0, \
     type, schema, recorded_at, effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data \
     FROM events ORDER BY position DESC LIMIT 1";

#[tokio::test]
async fn reopening_finds_everything() {
    let database = Database::new().await;
    let (first, second) = ([event(1), event(2)], [event(3)]);
    let ledger = open_postgres(&database.url()).await;
    append(&ledger, "a", ExpectedVersion::NoStream, &first).await.unwrap();
    let before = sound(&ledger).await;
    ledger.close().await;
    assert!(matches!(append(&ledger, "a", ExpectedVersion::Any, &second).await, Err(Failure::Unavailable(_))));
    assert!(matches!(ledger.end().await, Err(Failure::Unavailable(_))));

    let ledger = open_postgres(&database.url()).await;
    assert_eq!(sound(&ledger).await, before);
    assert_eq!(append(&ledger, "a", ExpectedVersion::NoStream, &first).await.unwrap(), (1, 1, true));
    assert!(matches!(append(&ledger, "a", exact(0), &second).await, Err(Failure::Conflict { .. })));
    assert!(matches!(append(&ledger, "b", exact(0), &second).await, Err(Failure::Conflict { .. })));
    assert_eq!(append(&ledger, "a", exact(1), &second).await.unwrap(), (2, 2, false));
    assert_eq!(sound(&ledger).await.len(), 3);
}

#[tokio::test]
async fn a_refused_append_does_not_fail_its_neighbours() {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    let taken = event(0);
    append(&ledger, "a", ExpectedVersion::NoStream, std::slice::from_ref(&taken)).await.unwrap();
    let commits = ledger.writer_state().commits;
    // While another session holds the lock they all queue up, and then go in together.
    let mut lock = database.connect().await;
    lock.execute(LOCK).await.unwrap();
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
    lock.execute("ROLLBACK").await.unwrap();
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
    let database = Database::new().await;
    let clock = clock();
    let options = postgres_options(&database.url());
    let ledger = PostgresLedger::open(options, Arc::<VirtualClock>::clone(&clock)).await.unwrap();
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
    let database = Database::new().await;
    let options = postgres_options(&database.url());
    assert!(!PostgresLedger::exists(&options.server).await.unwrap());
    open_postgres(&database.url()).await.close().await;
    assert!(PostgresLedger::exists(&options.server).await.unwrap());

    let mut attic = options.clone();
    "attic".clone_into(&mut attic.workspace);
    let refused = PostgresLedger::open(attic, clock()).await.err().unwrap();
    assert!(matches!(&refused, OpenFailure::OtherWorkspace { found, .. } if found == "loft"), "{refused}");
    assert!(!refused.to_string().contains(&database.password()), "{refused}");

    let mut raw = database.connect().await;
    raw.execute("UPDATE ledger SET format = 2").await.unwrap();
    let refused = PostgresLedger::open(options.clone(), clock()).await.err().unwrap();
    assert!(matches!(refused, OpenFailure::TooNew { found: 2, .. }));

    raw.execute("UPDATE ledger SET format = 1; UPDATE _sqlx_migrations SET checksum = '\\x00'").await.unwrap();
    let refused = PostgresLedger::open(options, clock()).await.err().unwrap();
    assert!(matches!(refused, OpenFailure::Postgres { .. }), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_durable_is_refused_unless_that_is_accepted_by_name() {
    let database = Database::new().await;
    database.set("synchronous_commit = off").await;
    let refused = PostgresLedger::open(postgres_options(&database.url()), clock()).await.err().unwrap();
    assert!(matches!(refused, OpenFailure::Unfit { .. }));
    assert!(refused.to_string().contains("synchronous_commit = off"), "{refused}");
    assert!(!PostgresLedger::exists(&postgres_options(&database.url()).server).await.unwrap());

    let ledger = open_postgres(&format!("{}?unsafe_settings=accepted", database.url())).await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    let told = ledger.examine().await;
    assert!(told.iter().any(|it| it.fix.is_some() && it.found.contains("synchronous_commit = off")), "{told:?}");
}

#[tokio::test]
async fn encryption_that_is_asked_for_is_not_gone_without() {
    // The server of the tests has no certificate.
    let database = Database::new().await;
    for mode in ["require", "verify-full"] {
        let options = postgres_options(&format!("{}?sslmode={mode}", database.url()));
        let refused = PostgresLedger::open(options, clock()).await.err().unwrap();
        assert!(matches!(refused, OpenFailure::Postgres { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_service_needs_no_right_to_make_tables() {
    let database = Database::new().await;
    open_postgres(&database.url()).await.close().await;
    let role = database.url().rsplit_once('/').unwrap().1.replace('t', "r");
    database.give_role(&role, "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO ").await;
    database
        .give_role(&role, "GRANT UPDATE, DELETE, TRUNCATE ON subject_keys, api_tokens, checkpoints, master_key TO ")
        .await;
    let ledger = open_postgres(&database.url_as(&role)).await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    let vault = PostgresVault::new(&ledger, MasterKey::new([7; 32]));
    let anna = SubjectId::new("anna").unwrap();
    vault.key_or_new(&anna).await.unwrap();
    vault.destroy(&anna, clock().now()).await.unwrap();
    PostgresCheckpoints::new(&ledger).save("w", Position(1)).await.unwrap();
    assert_eq!(sound(&ledger).await.len(), 1);
    ledger.close().await;
    database.drop_role(&role).await;
}

#[tokio::test]
async fn the_database_itself_refuses_gaps_and_changes() {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(0), event(1)]).await.unwrap();
    let mut raw = database.connect().await;
    const LEAVE_A_POSITION: &str = "INSERT INTO events SELECT 3, decode(md5('1'), 'hex'), 'booking-b', 0, type, schema, recorded_at, \
         effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data FROM events WHERE position = 1";
    const LEAVE_A_VERSION: &str = "INSERT INTO events SELECT 2, decode(md5('1'), 'hex'), stream, 3, type, schema, recorded_at, \
         effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data FROM events WHERE position = 1";
    for (refused, why) in [
        ("UPDATE events SET data = '{}' WHERE position = 0", "events are not changed"),
        ("DELETE FROM events", "events are not removed"),
        ("TRUNCATE events", "events are not removed"),
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
        "UPDATE events SET id = '\\x00' WHERE position = 3",
        "UPDATE events SET leaf = '\\x00' WHERE position = 3",
        "UPDATE events SET schema = 70000 WHERE position = 3",
        "UPDATE events SET recorded_at = 9223372036854775807 WHERE position = 3",
        "UPDATE events SET causation = '\\x0011' WHERE position = 3",
        "UPDATE events SET version = -1 WHERE position = 3",
        "DELETE FROM events WHERE position = 3",
    ];
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    for n in 0..6 {
        append(&ledger, "a", ExpectedVersion::Any, &[event(n)]).await.unwrap();
    }
    let mut raw = database.connect().await;
    raw.execute(
        "DROP TRIGGER events_are_not_changed ON events; DROP TRIGGER events_are_not_removed ON events; \
         ALTER TABLE events DROP CONSTRAINT events_id_check, DROP CONSTRAINT events_leaf_check, \
         DROP CONSTRAINT events_version_check; CREATE TABLE as_it_was AS SELECT * FROM events WHERE position = 3",
    )
    .await
    .unwrap();
    for change in changes {
        raw.execute(change).await.unwrap();
        match ledger.read_all(Position(0), 10).await {
            Err(Failure::Corrupt { at, .. }) => assert_eq!(at, "position 3", "{change}"),
            other => panic!("{change} gave {other:?}"),
        }
        assert_eq!(ledger.read_all(Position(0), 3).await.unwrap().len(), 3, "what is before it can be read");
        if change.starts_with("DELETE") {
            let failure = ledger.read_stream(&stream("a"), Version(0), 10).await.unwrap_err();
            assert!(matches!(failure, Failure::Corrupt { at, .. } if at == "version 3 of booking-a"));
        }
        raw.execute("DELETE FROM events WHERE position = 3; INSERT INTO events SELECT * FROM as_it_was").await.unwrap();
    }
    sound(&ledger).await;
}

#[tokio::test]
async fn a_waiting_reader_sees_what_another_process_wrote() {
    let database = Database::new().await;
    let (here, there) = (open_postgres(&database.url()).await, open_postgres(&database.url()).await);
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
    let refused = append(&here, "a", exact(0), &[event(3)]).await;
    assert!(matches!(refused, Err(Failure::Conflict { actual: Some(Version(1)), .. })));
    assert_eq!(sound(&here).await, sound(&there).await);
}

#[tokio::test]
async fn a_lost_notification_costs_no_more_than_a_moment() {
    let database = Database::new().await;
    let (here, there) = (open_postgres(&database.url()).await, open_postgres(&database.url()).await);
    append(&there, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    // Nobody hears anything any more: the sessions that listen are gone, and whoever would notify finds its lock taken.
    let mut raw = database.connect().await;
    raw.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()",
    )
    .await
    .unwrap();
    for n in 1..4_u64 {
        let waiting = {
            let here = here.clone();
            tokio::spawn(async move { here.wait(Position(n)).await })
        };
        tokio::task::yield_now().await;
        append(&there, "a", ExpectedVersion::Any, &[event(n)]).await.unwrap();
        select! {
            woken = waiting => woken.unwrap(),
            () = here.wait(Position(1_000)) => panic!("news came no sooner than none"),
        }
        assert_eq!(here.read_all(Position(n), 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_vault_opens_only_under_its_master_key_and_row() {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    let (anna, berta) = (SubjectId::new("anna").unwrap(), SubjectId::new("berta").unwrap());
    let vault = PostgresVault::new(&ledger, MasterKey::new([7; 32]));
    let key = vault.key_or_new(&anna).await.unwrap();
    vault.key_or_new(&berta).await.unwrap();

    let wrong = PostgresVault::new(&ledger, MasterKey::new([8; 32]));
    assert!(matches!(wrong.key(&anna).await, Err(vault::Failure::WrongMaster(who)) if who == anna));
    assert!(matches!(wrong.key_or_new(&anna).await, Err(vault::Failure::WrongMaster(_))));

    let mut raw = database.connect().await;
    let row = raw.fetch_one("SELECT wrapped FROM subject_keys WHERE subject = 'anna'").await.unwrap();
    let wrapped: Vec<u8> = row.get(0);
    assert!(wrapped.len() > 32 && !wrapped.windows(8).any(|w| key.bytes.windows(8).any(|k| k == w)));
    const MOVE: &str = "UPDATE subject_keys SET (key_id, nonce, wrapped) = \
         (SELECT key_id, nonce, wrapped FROM subject_keys WHERE subject = 'anna') WHERE subject = 'berta'";
    raw.execute(MOVE).await.unwrap();
    let fresh = PostgresVault::new(&ledger, MasterKey::new([7; 32]));
    assert!(matches!(fresh.key(&anna).await.unwrap(), KeyState::Held(held) if held.bytes == key.bytes));
    assert!(matches!(fresh.key(&berta).await, Err(vault::Failure::WrongMaster(_))));
}

#[tokio::test]
async fn a_key_destroyed_by_another_process_is_noticed() {
    let database = Database::new().await;
    let clock = clock();
    let options = postgres_options(&database.url());
    let here = PostgresLedger::open(options, Arc::<VirtualClock>::clone(&clock)).await.unwrap();
    let there = open_postgres(&database.url()).await;
    let anna = SubjectId::new("anna").unwrap();
    let vault = PostgresVault::new(&here, MasterKey::new([7; 32]));
    vault.key_or_new(&anna).await.unwrap();
    PostgresVault::new(&there, MasterKey::new([7; 32])).destroy(&anna, clock.now()).await.unwrap();
    clock.advance(TimeDelta::seconds(3));
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Destroyed(_)));
    assert!(matches!(vault.key_or_new(&anna).await, Err(vault::Failure::Forgotten(_))));
}

#[tokio::test]
async fn a_checkpoint_is_never_lowered() {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    let checkpoints = PostgresCheckpoints::new(&ledger);
    assert_eq!(checkpoints.load("reactor").await.unwrap(), Position(0));
    for (saved, kept) in [(7, 7), (3, 7), (9, 9)] {
        checkpoints.save("reactor", Position(saved)).await.unwrap();
        assert_eq!(checkpoints.load("reactor").await.unwrap(), Position(kept));
    }
    assert_eq!(checkpoints.load("publisher").await.unwrap(), Position(0));
}
