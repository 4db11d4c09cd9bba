//! A person is forgotten while two services run. Their words came in by every way there is; afterwards no byte of any file
//! says them, nor did one before: what is on disk is sealed, and the key is gone.

use std::{fs, path::PathBuf, process::Command};

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncledger::adapters::sandbox::uschedule::{Customer, NewAppointment};

use super::world::{CALENDARS, World, free_port};
use crate::support::{
    patience::eventually,
    postgres::{Database, Server},
};

/// In everything that is personal, and in nothing else.
const CANARY: &str = "Zaphodine";

fn json_of(world: &World, port: u16, args: &[&str]) -> Value {
    let out = world.run(port, &[args, &["--json"]].concat());
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

/// Files below these folders in which `what` stands, those left out that the test itself wrote.
fn holding(folders: &[PathBuf], what: &str) -> Vec<String> {
    let mut grep = Command::new("grep");
    grep.args(["-rlaF", "--exclude=*.csv", "--exclude=*.toml", what]).args(folders);
    // What a server removes meanwhile holds nothing; that grep looked at all is shown by the files that the test wrote.
    let found = grep.output().expect("grep is there").stdout;
    String::from_utf8_lossy(&found).lines().map(str::to_owned).collect()
}

/// A booking at the source, an import, one through the API, and a person's words in the calendar.
async fn canaries(world: &World, port: u16) -> String {
    let starts_at = world.now() + TimeDelta::days(1);
    let new = NewAppointment {
        starts_at,
        ends_at: starts_at + TimeDelta::minutes(50),
        time_zone: chrono_tz::America::Chicago,
        resource: "bay-1".into(),
        service: format!("Lesson for {CANARY}"),
        notes: Some(format!("{CANARY} plays left-handed")),
        customer: Customer {
            id: "c7".into(),
            name: CANARY.into(),
            email: Some(format!("{CANARY}@example.org")),
            phone: None,
        },
    };
    let now = world.now();
    let id = world.uschedule().create(new, now).expect("its slot is free");
    let csv = format!(
        "id,resource,starts_at,ends_at,zone,title\nk1,court-9,2027-01-01T10:00,2027-01-01T11:00,UTC,{CANARY} imported\n"
    );
    fs::write(world.folder.path().join("canary.csv"), csv).expect("it can be written");
    let file = world.folder.path().join("canary.csv");
    let imported = world.run(port, &["bookings", "import", file.to_str().expect("plain")]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let token = json_of(world, port, &["token", "create", "--role", "admin"]);
    let body = json!({
        "id": "web-1", "resource": "bay-2",
        "slot": {"starts_at": starts_at, "ends_at": starts_at + TimeDelta::hours(1), "zone": "UTC"},
        "details": {"title": format!("{CANARY} by API"), "customer": {"id": "web-7", "name": CANARY}},
    });
    let made = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/api/v1/bookings"))
        .bearer_auth(token["secret"].as_str().expect("a secret"))
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .expect("it answers");
    assert_eq!(made.status().as_u16(), 201, "{:?}", made.text().await);
    let in_step = eventually(async || world.entries_of(&id) == 1).await;
    assert!(in_step, "{}", world.log(port));
    let entry = entry_of(world, &id);
    let now = world.now();
    world.google().rename_entry(CALENDARS[0], &entry, &format!("{CANARY} brings clubs"), now).expect("it is there");
    let known = format!("uschedule.{id}");
    let seen = eventually(async || {
        let story = world.run(port, &["events", "all", "--type", "calendar.remote_entry_observed", "--json"]);
        String::from_utf8_lossy(&story.stdout).lines().any(|line| line.contains(&known))
    })
    .await;
    assert!(seen, "{}", world.log(port));
    id
}

fn entry_of(world: &World, appointment: &str) -> String {
    let google = world.google();
    let entries = google.entries_with(CALENDARS[0], "uscheduleAppointmentId", appointment);
    entries[0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_any_file_says_who_was_forgotten() {
    let world = World::start().await;
    let folders = [world.folder.path().to_owned()];
    forgotten(&world, &folders, async || {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_server_says_who_was_forgotten() {
    let server = Server::start();
    let database = Database::within(server.url()).await;
    let world = World::on_postgres(&database).await;
    let folders = [world.folder.path().to_owned(), server.files()];
    // All pages, and the write-ahead log, which holds everything that was ever written since the server began.
    let checkpoint = async || {
        sqlx::query("CHECKPOINT").execute(&mut database.connect().await).await.expect("the server is there");
    };
    assert!(server.files().join("pg_wal").is_dir());
    forgotten(&world, &folders, checkpoint).await;
}

async fn forgotten(world: &World, folders: &[PathBuf], written: impl AsyncFn()) {
    let (first, second) = (free_port(), free_port());
    world.deliver_to(first);
    let services = (world.serve(first).await, world.serve(second).await);
    let id = canaries(world, first).await;
    let shown = json_of(world, first, &["bookings", "show", &format!("uschedule.{id}")]);
    assert_eq!(shown["booking"]["customer_name"], CANARY);
    written().await;
    assert_eq!(holding(folders, CANARY), [""; 0]);
    assert!(!holding(folders, "booking.registered").is_empty(), "what is not sealed is found");

    assert!(world.run(first, &["audit", "seal"]).status.success());
    let slip = world.run(first, &["subject", "erase", "uschedule.customer.c77"]);
    assert_eq!(slip.status.code(), Some(1), "nobody is known by that name");
    let subject = shown["booking"]["subject"].as_str().expect("a subject").to_owned();
    let erased = json_of(world, first, &["subject", "erase", &subject, "--by", "kim"]);
    assert_eq!((&erased["erased"]["repeated"], &erased["erased"]["by"]), (&json!(false), &json!("kim")));
    assert_eq!(erased["left"]["upcoming"][0]["entry"], entry_of(world, &id));
    assert_eq!(json_of(world, first, &["subject", "erase", &subject])["erased"]["repeated"], true);
    for other in ["import.k1", "api.web-1"] {
        let other = json_of(world, first, &["bookings", "show", other]);
        json_of(world, first, &["subject", "erase", other["booking"]["subject"].as_str().expect("a subject")]);
    }
    let replaced = eventually(async || {
        let google = world.google();
        CALENDARS.iter().all(|calendar| google.entries(calendar).iter().all(|e| e["summary"] == "[erased]"))
    })
    .await;
    assert!(replaced, "{:?}\n{}", world.google().entries(CALENDARS[0]), world.log(first));
    let shown = json_of(world, second, &["bookings", "show", &format!("uschedule.{id}")]);
    assert_eq!((&shown["booking"]["title"], &shown["booking"]["status"]), (&Value::Null, &json!("confirmed")));

    // The source goes on naming them; nothing of that comes in, and the services go on.
    let (now, later) = (world.now(), world.now() + TimeDelta::days(2));
    world.uschedule().reschedule(&id, later, later + TimeDelta::minutes(50), None, now).expect("its slot is free");
    let other = world.book(3);
    let in_step = eventually(async || world.entries_of(&other) == 1).await;
    assert!(in_step, "{}", world.log(first));
    drop(services);
    written().await;
    assert_eq!(holding(folders, CANARY), [""; 0]);
    for list in json_of(world, first, &["projections", "list"]).as_array().expect("a list") {
        let name = list["projection"].as_str().expect("a name");
        assert_eq!(json_of(world, first, &["projections", "rebuild", name])["comparison"]["differing"], 0, "{name}");
        assert!(world.run(first, &["projections", "diff", name]).status.success(), "{name}");
    }
    let verified = world.run(first, &["audit", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
