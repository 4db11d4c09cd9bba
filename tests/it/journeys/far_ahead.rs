//! A person moves an entry far beyond what is looked ahead, and deletes it while the calendar forgets what it has told us:
//! the next listing is a full one, and it says nothing of deleted entries.

use chrono::TimeDelta;
use syncledger::adapters::sandbox::{
    faults::{Kind, Rule},
    model::Model as _,
    uschedule::Status,
};

use super::world::{CALENDARS, World, free_port};
use crate::support::patience::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_deleted_far_ahead_is_missed_by_a_full_listing() {
    let world = World::start().await;
    let port = free_port();
    world.deliver_to(port);
    let _service = world.serve(port).await;
    let id = world.book(0);
    assert!(world.comes_in_step().await, "{}", world.log(port));
    let entry = {
        let google = world.google();
        let entries = google.entries_with(CALENDARS[0], "uscheduleAppointmentId", &id);
        entries[0]["id"].as_str().expect("it has an id").to_owned()
    };
    let (now, far) = (world.now(), world.now() + TimeDelta::days(200));
    world.google().move_entry(CALENDARS[0], &entry, far, far + TimeDelta::minutes(50), now).expect("it is there");
    let followed = eventually(async || {
        world.uschedule().appointments().any(|a| a.id == id && a.booked.starts_at > now + TimeDelta::days(190))
    });
    assert!(followed.await, "{}", world.log(port));
    {
        let mut google = world.google();
        google.desk().faults.arm(Rule::on("GET", "/calendar/v3/calendars/*/events", Kind::ExpireSyncTokens));
        google.delete_entry(CALENDARS[0], &entry, now).expect("it is there");
    }
    let cancelled =
        eventually(async || world.uschedule().appointments().any(|a| a.id == id && a.status == Status::Cancelled));
    assert!(cancelled.await, "{}", world.log(port));
}
