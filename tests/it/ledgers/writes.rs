//! What a provider was asked, by the booking that it was about: from its own log of calls.

use std::collections::BTreeMap;

use serde_json::Value;
use syncledger::adapters::sandbox::{call_log::Call, model::Model as _};

use super::story::Calls;
use crate::journeys::world::World;

/// Whose entry is whose: appointments by the ids of entries, deleted ones included.
pub struct Entries(BTreeMap<String, String>);

impl Entries {
    /// All that stand, or stood, in these calendars as they were kept.
    pub fn of(calendars: &Value) -> Self {
        let calendars = calendars["calendars"].as_object().expect("there are calendars");
        let entries = calendars.values().filter_map(|calendar| calendar["entries"].as_object()).flatten();
        let marked = entries.filter_map(|(id, entry)| Some((id.clone(), appointment(&entry["resource"])?)));
        Self(marked.collect())
    }
}

/// Calls about single entries by appointment, since the log began.
///
/// # Panics
/// Where a call is about an entry that nobody knows.
pub fn calls(world: &World, entries: &Entries) -> BTreeMap<String, Calls> {
    let mut known = entries.0.clone();
    let mut google = world.google();
    let log: Vec<Call> = google.desk().calls.all().cloned().collect();
    for call in &log {
        if let (Some(id), Some(appointment)) = (call.body["id"].as_str(), appointment(&call.body)) {
            known.insert(id.to_owned(), appointment);
        }
    }
    let mut calls: BTreeMap<String, Calls> = BTreeMap::new();
    for call in &log {
        let Some(entry) = entry_of(call) else { continue };
        let appointment = known.get(&entry).unwrap_or_else(|| panic!("whose entry is this? {call:#?}"));
        let calls = calls.entry(appointment.clone()).or_default();
        match call.method.as_str() {
            "GET" => calls.get += 1,
            "POST" => calls.post += 1,
            "PATCH" => calls.patch += 1,
            "DELETE" => calls.delete += 1,
            other => panic!("nobody sends {other}"),
        }
    }
    calls
}

/// How often a calendar was listed from the beginning of a listing.
pub fn listings(world: &World, calendar: &str) -> usize {
    let mut google = world.google();
    let listed = |call: &&Call| call.method == "GET" && path(call).last() == Some(&"events") && about(call, calendar);
    google.desk().calls.all().filter(listed).count()
}

/// How often the source was asked for what changed.
pub fn polls(world: &World) -> usize {
    let mut uschedule = world.uschedule();
    let asked = |call: &&Call| call.method == "GET" && path(call).last() == Some(&"appointments");
    uschedule.desk().calls.all().filter(asked).count()
}

/// The entry that a call creates, reads, changes or deletes.
fn entry_of(call: &Call) -> Option<String> {
    match path(call).as_slice() {
        [.., "events"] if call.method == "POST" => call.body["id"].as_str().map(str::to_owned),
        [.., "events", "watch"] => None,
        [.., "events", entry] => Some((*entry).to_owned()),
        _ => None,
    }
}

fn path(call: &Call) -> Vec<&str> {
    call.url.split('?').next().unwrap_or_default().split('/').collect()
}

fn about(call: &Call, calendar: &str) -> bool {
    let name = calendar.split('@').next().expect("a name");
    path(call).iter().any(|part| part.starts_with(name))
}

fn appointment(resource: &Value) -> Option<String> {
    resource["extendedProperties"]["private"]["uscheduleAppointmentId"].as_str().map(str::to_owned)
}
