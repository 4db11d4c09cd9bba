//! Actions of people: customers at the booking source, and anyone who has the calendar open.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::{
    canaries,
    chance::Chance,
    observations::Edit,
    world::{BAYS, World, lock},
};
use crate::adapters::sandbox::{
    google::Google,
    uschedule::{Customer, NewAppointment, Status},
};

const SERVICES: [&str; 4] = [canaries::TITLE, "Putting", "Simulator hour", "Übungsstunde ⛳"];

/// A random action of a customer at the source; returns its description.
pub(super) fn customer(world: &World, chance: &mut Chance) -> String {
    let now = world.now();
    let mut uschedule = lock(&world.uschedule);
    let booked: Vec<String> =
        uschedule.appointments().filter(|a| a.status == Status::Booked).map(|a| a.id.clone()).collect();
    let some = chance.pick(&booked).cloned();
    let of = some.clone();
    let what = chance.below(20);
    let (starts_at, ends_at) = time(chance, now);
    let resource = BAYS[usize::from(chance.permille(400))].0;
    let done = match (some, what) {
        (Some(id), 8..=11) => {
            let done = uschedule.reschedule(&id, starts_at, ends_at, None, now);
            (format!("customer moves {id} to {starts_at}"), done)
        }
        (Some(id), 12..=13) => {
            let service = format!("{} {}", SERVICES[usize::from(chance.permille(500))], chance.below(100));
            (format!("customer renames {id}"), uschedule.describe(&id, &service, Some(canaries::LATER_NOTES), now))
        }
        (Some(id), 14..=16) => {
            let other = uschedule.appointment(&id).map(|a| a.booked.resource.clone());
            let other = BAYS.iter().map(|(bay, _)| *bay).find(|bay| Some(*bay) != other.as_deref()).unwrap_or(resource);
            (format!("customer takes {other} for {id}"), uschedule.reassign(&id, other, now))
        }
        (Some(id), 17..=18) => (format!("customer cancels {id}"), uschedule.cancel(&id, now)),
        _ => {
            let person = chance.below(5);
            let new = NewAppointment {
                starts_at,
                ends_at,
                time_zone: chrono_tz::America::Chicago,
                resource: resource.to_owned(),
                service: chance.pick(&SERVICES).map(|s| (*s).to_owned()).unwrap_or_default(),
                notes: chance.permille(300).then(|| canaries::NOTES.to_owned()),
                customer: Customer {
                    id: format!("cus_{person}"),
                    name: format!("{}{person}", canaries::NAME),
                    email: Some(format!("customer{person}{}", canaries::MAIL)),
                    phone: None,
                },
            };
            (format!("customer books {resource} at {starts_at}"), uschedule.create(new, now).map(drop))
        }
    };
    if let Some(id) = &of {
        world.observations.lock().count_action(id);
    }
    match done {
        (what, Ok(())) => what,
        (what, Err(refusal)) => format!("{what}: {refusal}"),
    }
}

/// Half an hour to two hours, mostly within the next weeks, sometimes near the end of the profile's window.
pub(super) fn time(chance: &mut Chance, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let days = if chance.permille(40) { chance.between(88, 95) } else { chance.between(4, 20) };
    let half_hours = chance.between(0, 40);
    let start = now.duration_trunc(TimeDelta::hours(24)).unwrap_or(now);
    let start = start + TimeDelta::days(days) + TimeDelta::minutes(30 * half_hours);
    (start, start + TimeDelta::minutes(30 * chance.between(1, 4)))
}

/// An entry on a calendar, as calendar users see it.
struct Entry {
    calendar: &'static str,
    id: String,
    appointment: String,
    link: String,
    length: TimeDelta,
}

/// A private property of an entry; empty if the entry does not have it.
pub(super) fn text(resource: &Map<String, Value>, property: &str) -> String {
    let value = resource.get("extendedProperties").map(|p| &p["private"][property]);
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn length(resource: &Map<String, Value>) -> TimeDelta {
    let at = |side: &str| resource.get(side).and_then(|s| s["dateTime"].as_str()?.parse::<DateTime<Utc>>().ok());
    at("start").zip(at("end")).map_or(TimeDelta::hours(1), |(start, end)| end - start)
}

/// The live entries that we manage.
fn managed(world: &World, google: &Google) -> Vec<Entry> {
    let observations = world.observations.lock();
    let mut found = Vec::new();
    for (_, calendar) in BAYS {
        for resource in google.entries_with(calendar, "loftSyncManaged", "true") {
            let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            if observations.unmanaged.contains_key(&(calendar.to_owned(), id.clone())) {
                continue;
            }
            let (appointment, link) = (text(resource, "uscheduleAppointmentId"), text(resource, "syncledgerLink"));
            found.push(Entry { calendar, id, appointment, link, length: length(resource) });
        }
    }
    found
}

fn etag(google: &Google, calendar: &str, id: &str) -> Option<String> {
    google.entry(calendar, id)?.get("etag")?.as_str().map(str::to_owned)
}

/// A random action of a calendar user; returns its description.
pub(super) fn person(world: &World, chance: &mut Chance) -> String {
    let what = chance.below(24);
    if what >= 19 {
        return stranger(world, chance, what);
    }
    let now = world.now();
    let mut google = lock(&world.google);
    if what == 18 {
        return undelete(world, &mut google, chance);
    }
    let entries = managed(world, &google);
    let Some(entry) = chance.pick(&entries) else { return "no managed entry to edit".into() };
    let Entry { calendar, id, .. } = entry;
    let (starts_at, _) = time(chance, now);
    let mut observations = world.observations.lock();
    observations.count_action(&entry.appointment);
    match what {
        0..=8 => {
            observations.count("edits_of_time");
            drop(google.move_entry(calendar, id, starts_at, starts_at + entry.length, now));
            note_edit(&mut observations, &google, entry);
            format!("person moves {id} of {} to {starts_at}", entry.appointment)
        }
        9..=11 => {
            observations.count("edits_of_words");
            drop(google.rename_entry(calendar, id, &format!("{}{}", canaries::ENTRY_TITLE, chance.below(100)), now));
            note_edit(&mut observations, &google, entry);
            format!("person renames {id} of {}", entry.appointment)
        }
        12..=14 => {
            observations.count("deletions");
            observations.deleted_by_person.insert(entry.appointment.clone());
            observations.deleted_entries.push(((*calendar).to_owned(), id.clone()));
            drop(google.delete_entry(calendar, id, now));
            format!("person deletes {id} of {}", entry.appointment)
        }
        15 => {
            observations.count("markers_stripped");
            drop(google.strip_marker(calendar, id, now));
            let version = etag(&google, calendar, id);
            observations.unmanaged.insert(((*calendar).to_owned(), id.clone()), version);
            observations.unmarked.insert(id.clone(), entry.appointment.clone());
            format!("person removes the marker of {id} of {}", entry.appointment)
        }
        _ => {
            observations.count("copies");
            let copy = google.copy_entry(calendar, id, now).unwrap_or_default();
            let version = etag(&google, calendar, &copy);
            observations.unmanaged.insert(((*calendar).to_owned(), copy.clone()), version);
            format!("person copies {id} of {} to {copy}", entry.appointment)
        }
    }
}

fn note_edit(observations: &mut super::observations::Observations, google: &Google, entry: &Entry) {
    let Some(etag) = etag(google, entry.calendar, &entry.id) else { return };
    let (calendar, id, link) = (entry.calendar.to_owned(), entry.id.clone(), entry.link.clone());
    observations.edits.insert(etag, Edit { calendar, entry: id, link });
}

fn undelete(world: &World, google: &mut Google, chance: &mut Chance) -> String {
    let now = world.now();
    let mut observations = world.observations.lock();
    let Some((calendar, id)) = chance.pick(&observations.deleted_entries).cloned() else {
        return "the bin is empty".into();
    };
    if google.undelete_entry(&calendar, &id, now).is_err() {
        return format!("{id} is no longer in the bin");
    }
    observations.count("undeletions");
    let appointment = google.entry(&calendar, &id).map(|entry| text(entry, "uscheduleAppointmentId"));
    observations.count_action(&appointment.unwrap_or_default());
    if observations.unmanaged.contains_key(&(calendar.clone(), id.clone())) {
        let version = etag(google, &calendar, &id);
        observations.unmanaged.insert((calendar, id.clone()), version);
        return format!("person restores {id}, which we do not manage");
    }
    observations.restored_entries.insert((calendar.clone(), id.clone()));
    format!("person restores {id}")
}

/// A random action of a calendar user on an entry that we do not manage.
fn stranger(world: &World, chance: &mut Chance, what: u64) -> String {
    let now = world.now();
    let mut google = lock(&world.google);
    let mut observations = world.observations.lock();
    let theirs: Vec<(String, String)> =
        observations.unmanaged.iter().filter(|(_, version)| version.is_some()).map(|(at, _)| at.clone()).collect();
    let (starts_at, ends_at) = time(chance, now);
    match (chance.pick(&theirs), what) {
        (Some((calendar, id)), 21) => {
            drop(google.rename_entry(calendar, id, "their own", now));
            let version = etag(&google, calendar, id);
            observations.unmanaged.insert((calendar.clone(), id.clone()), version);
            format!("person renames {id}, which we do not manage")
        }
        (Some((calendar, id)), 22) => {
            drop(google.delete_entry(calendar, id, now));
            observations.unmanaged.insert((calendar.clone(), id.clone()), None);
            // If nobody saw it without its marker, this is the deletion of a managed entry.
            if let Some(appointment) = observations.unmarked.get(id).cloned() {
                observations.count_action(&appointment);
                observations.deleted_by_person.insert(appointment);
            }
            format!("person deletes {id}, which we do not manage")
        }
        _ => {
            let calendar = BAYS[usize::from(chance.permille(500))].1;
            let id = google.create_entry(calendar, "dentist", starts_at, ends_at, now);
            observations.count("unmanaged");
            let version = etag(&google, calendar, &id);
            observations.unmanaged.insert((calendar.to_owned(), id.clone()), version);
            format!("person creates {id}, which we do not manage")
        }
    }
}
