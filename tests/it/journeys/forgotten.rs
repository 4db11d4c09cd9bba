//! A person is forgotten while two services run. Their words came in by every way there is; afterwards no byte of any file
//! says them, nor did one before: what is on disk is sealed, and the key is gone.

use std::{fs, path::Path, time::Duration};

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncledger::adapters::sandbox::uschedule::{Customer, NewAppointment};

use super::world::{CALENDARS, World, free_port};

/// In everything that is personal, and in nothing else.
const CANARY: &str = "Zaphodine";

fn json_of(world: &World, port: u16, args: &[&str]) -> Value {
    let out = world.run(port, &[args, &["--json"]].concat());
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

/// Files below `folder` in which `what` stands, those left out that the test itself wrote.
fn holding(folder: &Path, what: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let ours = path.extension().is_some_and(|e| e == "csv" || e == "toml");
        if path.is_file() && !ours {
            let bytes = fs::read(&path).expect("it can be read");
            if bytes.windows(what.len()).any(|window| window == what) {
                found.push(path.display().to_string());
            }
        }
    }
    found
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
    let in_step = world.until(Duration::from_secs(60), async || world.entries_of(&id) == 1).await;
    assert!(in_step, "{}", world.log(port));
    let entry = entry_of(world, &id);
    let now = world.now();
    world.google().rename_entry(CALENDARS[0], &entry, &format!("{CANARY} brings clubs"), now).expect("it is there");
    let known = format!("uschedule.{id}");
    let seen = world
        .until(Duration::from_secs(60), async || {
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
async fn no_byte_says_who_was_forgotten() {
    let world = World::start().await;
    let (first, second) = (free_port(), free_port());
    world.deliver_to(first);
    let services = (world.serve(first).await, world.serve(second).await);
    let id = canaries(&world, first).await;
    let shown = json_of(&world, first, &["bookings", "show", &format!("uschedule.{id}")]);
    assert_eq!(shown["booking"]["customer_name"], CANARY);
    assert!(
        holding(world.folder.path(), CANARY.as_bytes()).is_empty(),
        "{:?}",
        holding(world.folder.path(), CANARY.as_bytes())
    );

    let slip = world.run(first, &["subject", "erase", "uschedule.customer.c77"]);
    assert_eq!(slip.status.code(), Some(1), "nobody is known by that name");
    let subject = shown["booking"]["subject"].as_str().expect("a subject").to_owned();
    let erased = json_of(&world, first, &["subject", "erase", &subject, "--by", "kim"]);
    assert_eq!((&erased["erased"]["repeated"], &erased["erased"]["by"]), (&json!(false), &json!("kim")));
    assert_eq!(erased["left"]["upcoming"][0]["entry"], entry_of(&world, &id));
    assert_eq!(json_of(&world, first, &["subject", "erase", &subject])["erased"]["repeated"], true);
    for other in ["import.k1", "api.web-1"] {
        let other = json_of(&world, first, &["bookings", "show", other]);
        json_of(&world, first, &["subject", "erase", other["booking"]["subject"].as_str().expect("a subject")]);
    }
    let replaced = world
        .until(Duration::from_secs(60), async || {
            let google = world.google();
            CALENDARS.iter().all(|calendar| google.entries(calendar).iter().all(|e| e["summary"] == "[erased]"))
        })
        .await;
    assert!(replaced, "{:?}\n{}", world.google().entries(CALENDARS[0]), world.log(first));
    let shown = json_of(&world, second, &["bookings", "show", &format!("uschedule.{id}")]);
    assert_eq!((&shown["booking"]["title"], &shown["booking"]["status"]), (&Value::Null, &json!("confirmed")));

    // The source goes on naming them; nothing of that comes in, and the services go on.
    let (now, later) = (world.now(), world.now() + TimeDelta::days(2));
    world.uschedule().reschedule(&id, later, later + TimeDelta::minutes(50), None, now).expect("its slot is free");
    let other = world.book(3);
    let in_step = world.until(Duration::from_secs(60), async || world.entries_of(&other) == 1).await;
    assert!(in_step, "{}", world.log(first));
    drop(services);
    assert!(
        holding(world.folder.path(), CANARY.as_bytes()).is_empty(),
        "{:?}",
        holding(world.folder.path(), CANARY.as_bytes())
    );
    for list in json_of(&world, first, &["projections", "list"]).as_array().expect("a list") {
        let name = list["projection"].as_str().expect("a name");
        assert_eq!(json_of(&world, first, &["projections", "rebuild", name])["comparison"]["differing"], 0, "{name}");
        assert!(world.run(first, &["projections", "diff", name]).status.success(), "{name}");
    }
}
