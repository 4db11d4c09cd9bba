//! Who may serve a kept ledger: the program as it is now, which says so in the ledger; and from then on no older one.

use std::path::Path;

use serde_json::{Value, json};
use syncledger::{
    app::{self, App},
    config::Config,
    domain::program_version::ProgramVersion,
    ledger::required_version::Program,
};

use super::kept;
use crate::{
    journeys::world::{World, free_port},
    support::postgres::Database,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ledger-0.1.0");

const KIND: &str = "operations.program_required";

/// Commands that only look, and some that would change something.
const COMMANDS: [&[&str]; 7] = [
    &["events", "all"],
    &["bookings", "list"],
    &["audit", "verify"],
    &["audit", "seal"],
    &["projections", "rebuild", "links"],
    &["reconcile", "plan"],
    &["serve"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_0_1_0_in_files_is_served_by_this_program_and_no_older_one() {
    who_may_serve("sqlite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_0_1_0_in_a_database_is_served_by_this_program_and_no_older_one() {
    let database = Database::new().await;
    who_may_serve("postgres", Some(&database)).await;
}

async fn who_may_serve(name: &str, database: Option<&Database>) {
    let world = kept::restore(Path::new(FOLDER), name, database).await;
    let this: ProgramVersion = env!("CARGO_PKG_VERSION").parse().unwrap();
    // Looking changes nothing: 0.1.0 can still be put back.
    let kept = world.events(free_port());
    assert!(kept.iter().all(|event| event["type"] != KIND));

    let port = free_port();
    let service = world.serve(port).await;
    let events = world.events(port);
    let first = &events[kept.len()];
    assert_eq!(
        json!([first["stream"], first["type"], first["data"]]),
        json!(["operations-loft.program", KIND, {"least": "0.2.0", "by": format!("syncledger {this}")}]),
        "it comes before everything else that this program writes"
    );
    assert_eq!(health(port).await["program_required"], "0.2.0");
    // Started again it need not say it again.
    service.kill();
    let service = world.serve(port).await;
    assert_eq!(world.events(port).iter().filter(|event| event["type"] == KIND).count(), 1);

    let config = Config::load(Some(&world.config(port)), &std::collections::BTreeMap::new()).unwrap();
    let program =
        |version: &str, needs: &str| Program { version: version.parse().unwrap(), needs: needs.parse().unwrap() };
    let refused = app::open_as(&config, program("0.1.9", "0.1.0")).await.err().expect("it is too old").to_string();
    assert!(refused.starts_with("this ledger needs syncledger 0.2.0 or later; this is 0.1.9"), "{refused}");

    // A newer program is started beside the one that serves, which stops.
    let newer = App::open_as(&config, program("9.1.0", "9.0.0")).await.unwrap();
    let said = format!("this ledger needs syncledger 9.0.0 or later; this is {this}: upgrade this program");
    assert_eq!(service.ended().await, Some(1), "{}", world.log(port));
    let log = world.log(port);
    assert!(log.contains(&format!("Stopping: {said}")) && log.contains(&format!("syncledger: {said}")), "{log}");
    let end = newer.stores.journal.store().end().await.unwrap();
    older_commands_refuse(&world, port, &said);
    assert_eq!(newer.stores.journal.store().end().await.unwrap(), end, "an older program writes nothing");
    newer.stores.ledger.close().await;
}

async fn health(port: u16) -> Value {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}/health")).await.expect("it answers");
    serde_json::from_str(&answer.text().await.expect("it is text")).expect("JSON")
}

fn older_commands_refuse(world: &World, port: u16, said: &str) {
    for arguments in COMMANDS {
        let out = world.run(port, arguments);
        let error = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains(&format!("syncledger: {said}")), "{arguments:?}: {error}");
        assert!(out.stdout.is_empty() || arguments == ["serve"], "{arguments:?} printed something");
    }
    let out = world.run(port, &["doctor", "--json"]);
    let checks: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let failed = checks.as_array().into_iter().flatten().find(|check| check["state"] == "fail").expect("a check fails");
    assert!(failed["found"].as_str().is_some_and(|found| found.starts_with(said)), "{failed:#}");
    assert_eq!(out.status.code(), Some(1));
}
