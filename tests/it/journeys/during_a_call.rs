//! A person deletes an entry whose creation has not been answered yet, while the calendar forgets what it has told us: the full listing
//! that follows says nothing of the entry, and no later one will.

use syncledger::adapters::sandbox::{
    faults::{Kind, Rule},
    model::Model as _,
    uschedule::Status,
};

use super::world::{CALENDARS, World, free_port};
use crate::support::patience::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_deleted_during_its_creation_is_missed_by_a_full_listing() {
    let world = World::start().await;
    let port = free_port();
    world.deliver_to(port);
    let _service = world.serve(port).await;
    world.google().desk().faults.arm(Rule::on("POST", "/calendar/v3/calendars/*/events", Kind::Slow { ms: 8_000 }));
    let id = world.book(0);
    let entry = || {
        let google = world.google();
        let entries = google.entries_with(CALENDARS[0], "uscheduleAppointmentId", &id);
        Some(entries.first()?["id"].as_str()?.to_owned())
    };
    assert!(eventually(async || entry().is_some()).await, "{}", world.log(port));
    let (entry, now) = (entry().expect("it is there"), world.now());
    {
        let mut google = world.google();
        google.desk().faults.arm(Rule::on("GET", "/calendar/v3/calendars/*/events", Kind::ExpireSyncTokens));
        google.delete_entry(CALENDARS[0], &entry, now).expect("it is there");
    }
    let order = || -> Vec<String> {
        let of_it = |event: &serde_json::Value| {
            ["link-", "calendar-"].iter().any(|s| event["stream"].as_str().is_some_and(|name| name.starts_with(s)))
        };
        world
            .events(port)
            .iter()
            .filter(|event| of_it(event))
            .filter_map(|event| event["type"].as_str().map(str::to_owned))
            .collect()
    };
    let cancelled =
        eventually(async || world.uschedule().appointments().any(|a| a.id == id && a.status == Status::Cancelled));
    assert!(cancelled.await, "{}", world.log(port));
    // The story that this is about: the full listing came between the call and its answer.
    let order = order();
    let at = |kind: &str| order.iter().rposition(|it| it == kind).unwrap_or_else(|| panic!("no {kind} in {order:?}"));
    assert!(at("calendar.cursor_invalidated") < at("link.established"), "{order:?}");
}
