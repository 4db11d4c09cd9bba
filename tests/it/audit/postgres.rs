//! The trail on PostgreSQL: changes behind the ledger's back are found with their places, and ledgers come over from SQLite.

use std::{path::Path, sync::Arc};

use sqlx::Executor as _;
use syncledger::{
    adapters::{
        archive,
        postgres::{PostgresLedger, PostgresSigningKeys},
    },
    domain::ids::Position,
    ports::{event_store::EventStore as _, upkeep::Upkeep as _},
    record::wrap::MasterKey,
    services::{
        audit::{Audit, Report, VerifyOptions},
        transfer::{self, Range},
    },
};

use super::{
    exports::VERSION,
    given::{OnDisk, audit, fill, folder, seal},
};
use crate::{
    conformance::given::{open_postgres, sound},
    support::postgres::Database,
};

async fn opened(database: &Database, folder: &Path) -> (PostgresLedger, Audit) {
    let ledger = open_postgres(&database.url()).await;
    let keys = Arc::new(PostgresSigningKeys::new(&ledger, MasterKey::new([7; 32])));
    let trail = audit(Arc::new(ledger.clone()), keys, folder);
    (ledger, trail)
}

/// Checks a ledger of 7 sealed events after `sql`, run with the guards switched off for a moment.
async fn after(sql: &'static str) -> Report {
    let (database, folder) = (Database::new().await, folder());
    let (ledger, trail) = opened(&database, folder.path()).await;
    fill(&ledger, 0, 7).await;
    seal(&trail).await;
    let mut raw = database.connect().await;
    for sql in ["ALTER TABLE events DISABLE TRIGGER USER", sql, "ALTER TABLE events ENABLE TRIGGER USER"] {
        raw.execute(sql).await.unwrap();
    }
    let mut report = trail.verify(&VerifyOptions::default(), &mut |_, _| {}).await.unwrap();
    report.add(ledger.inspect().await.unwrap());
    ledger.close().await;
    report
}

#[tokio::test]
async fn what_is_changed_removed_or_swapped_is_found_where_it_is() {
    assert!(after("SELECT 1").await.sound);
    for (sql, position) in [
        ("UPDATE events SET data = '{\"n\":777}' WHERE position = 3", 3),
        ("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 0", 0),
        ("UPDATE events SET leaf = decode(repeat('ab', 32), 'hex') WHERE position = 6", 6),
        ("UPDATE events SET actor_id = 'another' WHERE position = 5", 5),
        ("DELETE FROM events WHERE position = 4", 4),
        (
            "UPDATE events SET position = 900 WHERE position = 1; UPDATE events SET position = 1 WHERE position = 2; \
             UPDATE events SET position = 2 WHERE position = 900",
            1,
        ),
    ] {
        let report = after(sql).await;
        assert_eq!(report.faults.first().and_then(|fault| fault.position), Some(position), "{sql}: {report:?}");
    }
}

#[tokio::test]
async fn guards_that_were_switched_off_are_missed() {
    let (database, folder) = (Database::new().await, folder());
    let (ledger, _) = opened(&database, folder.path()).await;
    assert_eq!(ledger.inspect().await.unwrap(), Vec::<String>::new());
    database.connect().await.execute("ALTER TABLE events DISABLE TRIGGER events_are_not_changed").await.unwrap();
    let told = ledger.inspect().await.unwrap();
    assert!(
        told.len() == 1
            && told[0].contains("trigger events_are_not_changed,")
            && told[0].contains("is missing or disabled"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_ledger_comes_over_from_sqlite() {
    let (here, there, database) = (folder(), folder(), Database::new().await);
    let disk = OnDisk::open(here.path()).await;
    fill(&disk.ledger, 0, 30).await;
    seal(&disk.audit).await;
    let path = here.path().join("ledger.zst");
    let archive::Archive { already, sink } = archive::begin(&path).unwrap();
    let done = transfer::export(&disk.audit, Range::default(), already, sink, &mut |_, _| {}).await.unwrap();
    let (ledger, trail) = opened(&database, there.path()).await;
    let came = transfer::import(&trail, &|| archive::lines(&path), &[], VERSION, &mut |_, _, _| {}).await.unwrap();
    assert_eq!(came.checkpoint, done.checkpoint);
    assert_eq!(sound(&ledger).await, sound(&disk.ledger).await);
    fill(&ledger, 30, 3).await;
    seal(&trail).await;
    let report = trail.verify(&VerifyOptions::default(), &mut |_, _| {}).await.unwrap();
    assert_eq!((report.sound, report.checkpoints, ledger.end().await.unwrap()), (true, 2, Position(35)), "{report:?}");
}

#[tokio::test]
async fn keys_behave() {
    let database = Database::new().await;
    let ledger = open_postgres(&database.url()).await;
    super::seals::keys_behave(&PostgresSigningKeys::new(&ledger, MasterKey::new([7; 32]))).await;
}
