//! Invariants that must hold at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use serde_json::{Map, Value};

use super::{
    driver::Driver,
    notes::Notes,
    safety::entries_by_link,
    world::{self, BAYS, World, open},
};
use crate::{
    adapters::{
        memory::projections::MemoryProjections,
        sandbox::uschedule::{Appointment, Status},
    },
    domain::{
        booking::Booking,
        ids::{BookingId, LinkId, Position},
        link::{HoldReason, Link, WithholdReason},
        slot::Slot,
    },
    ports::projection_store::ProjectionStore as _,
    projections::ALL,
    services::models::project::Projector,
};

/// Everything that is looked at once all is calm; `began` is when that began.
pub(super) fn check(driver: &Driver<'_>, began: DateTime<Utc>) {
    let world = &driver.world;
    tables(world);
    let mut notes = world.notes.open();
    for command in driver.safety.open.keys() {
        notes.broken("I8", format!("{command} was issued, and how it ended is not in the ledger"));
    }
    let quiet_from = began + TimeDelta::hours(24);
    let late: Vec<String> = notes
        .entry_writes
        .iter()
        .filter(|(at, _)| *at >= quiet_from)
        .map(|(at, what)| format!("{at}: {what}"))
        .collect();
    if let Some(first) = late.first() {
        notes.broken("I6", format!("{} writes in the last 24 hours, the first {first}", late.len()));
    }
    few_writes(&mut notes);
    let standing = entries_by_link(world, &notes);
    for (link, entries) in &standing {
        if entries.len() > 1 && excuse_of(driver.safety.links.get(link)).is_none_or(|why| why != "detached") {
            notes.broken("I1", format!("{link} has {} live entries in the end: {entries:?}", entries.len()));
        }
    }
    for (link, entries) in std::mem::take(&mut notes.doubles) {
        if driver.safety.duplicates.is_disjoint(&entries) {
            notes.broken("I1", format!("{link} had the entries {entries:?} at once, and the ledger does not say so"));
        }
    }
    unspoken(driver, &mut notes);
    agreement(driver, &mut notes, &standing);
}

/// I6: at most two writes for everything that somebody did about an appointment; its first entry counts as two acts, since
/// it may have to be removed again. An entry that the provider made unknowingly (409 without a reason) is removed by one
/// write more.
fn few_writes(notes: &mut Notes) {
    let spare = notes.counts.get(super::plan::Fault::Conflict.name()).copied().unwrap_or(0);
    let many: Vec<String> = notes
        .writes
        .iter()
        .map(|(appointment, writes)| (appointment, *writes, notes.acts.get(appointment).copied().unwrap_or(0)))
        .filter(|(_, writes, acts)| *writes > 2 * (acts + 1) + spare)
        .map(|(appointment, writes, acts)| format!("{writes} writes for {acts} acts about {appointment}"))
        .collect();
    notes.count("writes_counted");
    for what in many {
        notes.broken("I6", what);
    }
}

/// I7: a version made by a person that still exists is in the ledger as accepted, on hold or rejected.
fn unspoken(driver: &Driver<'_>, notes: &mut Notes) {
    let google = open(&driver.world.google);
    let mut silent = Vec::new();
    for (etag, edit) in &notes.edits {
        let at = (edit.calendar.clone(), edit.entry.clone());
        let entry = google.entry(&edit.calendar, &edit.entry);
        let stands = entry.and_then(|entry| entry.get("etag")?.as_str()) == Some(etag.as_str());
        let detached =
            driver.safety.links.get(&edit.link).and_then(Option::as_ref).is_some_and(|l| l.detached.is_some());
        if stands && !detached && !notes.unmanaged.contains_key(&at) && !driver.safety.spoken_of.contains(etag) {
            silent.push(format!("{} of {} stands at {etag}, which nobody has heard of", edit.entry, edit.link));
        }
    }
    drop(google);
    for what in silent {
        notes.broken("I7", what);
    }
}

/// I4: every table is what a replay from zero makes of the ledger.
fn tables(world: &World) {
    let replayed = Arc::new(MemoryProjections::default());
    for models in [&world.models, &replayed] {
        let projector =
            Projector::new(Arc::clone(&world.ledger), Arc::clone(models) as _, Arc::clone(&world.clock) as _);
        let filled = block_on(async {
            models.prepare(world.now()).await?;
            projector.catch_up(usize::MAX).await
        });
        match filled {
            Ok(progress) if progress.stopped.is_empty() => {}
            Ok(progress) => world.notes.open().broken("I4", format!("read models stand still: {:?}", progress.stopped)),
            Err(failure) => world.notes.open().broken("I4", format!("the read models cannot be filled: {failure}")),
        }
    }
    for projection in ALL {
        let (live, replayed) = (world.models.rows(projection, Position(0)), replayed.rows(projection, Position(0)));
        world.notes.open().count("tables_compared");
        if live != replayed {
            let differing = live.iter().find(|row| !replayed.contains(row));
            let missing = replayed.iter().find(|row| !live.contains(row));
            let what = format!("{} has {differing:?} where a replay has {missing:?}", projection.name);
            world.notes.open().broken("I4", what);
        }
    }
}

/// Why an entry may differ from what the booking wants: what an operator is shown.
fn excuse_of(link: Option<&Option<Link>>) -> Option<&'static str> {
    let link = link?.as_ref()?;
    if link.detached.is_some() {
        return Some("detached");
    }
    match link.held.as_ref().map(|held| &held.reason) {
        Some(HoldReason::Overlap { .. }) => return Some("held: overlap"),
        Some(HoldReason::MassRemoval { .. }) => return Some("held: mass removal"),
        Some(HoldReason::WholeDay | HoldReason::BroughtBack | HoldReason::AskFirst) => return Some("held: a person"),
        Some(HoldReason::Unreadable { .. }) => return Some("held: unreadable"),
        Some(HoldReason::Busy | HoldReason::Grace) | None => {}
    }
    match link.withheld.as_ref().map(|(reason, _, _)| reason) {
        Some(WithholdReason::TooFarAhead) if link.remote.is_none() => Some("too far ahead"),
        Some(WithholdReason::Past) if link.remote.is_none() => Some("past"),
        _ => None,
    }
}

/// I5: source, ledger and calendars say the same, or an open item says why not.
fn agreement(driver: &Driver<'_>, notes: &mut Notes, standing: &BTreeMap<String, Vec<(String, String)>>) {
    let world = &driver.world;
    let appointments: Vec<Appointment> = open(&world.uschedule).appointments().cloned().collect();
    for appointment in &appointments {
        let id = BookingId::of_source(&world::source_name(), &appointment.id);
        let Some(booking) = booking(world, &id) else {
            notes.broken("I5", format!("{} is not in the ledger", appointment.id));
            continue;
        };
        if let Some(differs) = differs(appointment, &booking) {
            notes.broken("I5", format!("{}: source and ledger differ in their {differs}", appointment.id));
        }
        on_calendars(driver, notes, standing, &id, &booking);
    }
    let asked: BTreeSet<String> = notes.answered.values().map(|answered| answered.booking().to_owned()).collect();
    for id in asked.iter().filter_map(|id| BookingId::new(id.as_str()).ok()) {
        match booking(world, &id) {
            Some(booking) => on_calendars(driver, notes, standing, &id, &booking),
            None => notes.broken("I5", format!("{id} was answered for, and is not in the ledger")),
        }
    }
}

fn booking(world: &World, id: &BookingId) -> Option<Booking> {
    block_on(world.journal().booking(id)).ok().and_then(|(booking, _)| booking)
}

fn on_calendars(
    driver: &Driver<'_>,
    notes: &mut Notes,
    standing: &BTreeMap<String, Vec<(String, String)>>,
    id: &BookingId,
    booking: &Booking,
) {
    notes.count("bookings_compared");
    for (resource, calendar) in BAYS {
        let link_id = LinkId::of(id, &world::calendar_key(calendar));
        let link = driver.safety.links.get(link_id.as_str());
        let empty = Vec::new();
        let entries = standing.get(link_id.as_str()).unwrap_or(&empty);
        if let Some(excuse) = excuse_of(link) {
            notes.count(if excuse == "detached" { "excused_detached" } else { "excused_held" });
            continue;
        }
        let wanted = booking.active() && booking.resource.as_str() == resource;
        let link = link.and_then(Option::as_ref);
        if let Some(what) = compare(&driver.world, wanted, booking, link, entries) {
            notes.broken("I5", format!("{link_id}: {what}"));
        }
    }
}

fn differs(appointment: &Appointment, booking: &Booking) -> Option<&'static str> {
    let cancelled = appointment.status == Status::Cancelled;
    if cancelled == booking.active() {
        return Some("state");
    }
    if booking.resource.as_str() != appointment.booked.resource {
        return Some("resource");
    }
    let zone = appointment.booked.time_zone.name();
    let slot = Slot::timed(appointment.booked.starts_at, appointment.booked.ends_at, zone).ok();
    if !slot.is_some_and(|slot| slot.same_time(&booking.slot)) {
        return Some("times");
    }
    (booking.details.title.text.as_deref() != Some(appointment.booked.service.as_str())).then_some("words")
}

fn compare(
    world: &World,
    wanted: bool,
    booking: &Booking,
    link: Option<&Link>,
    entries: &[(String, String)],
) -> Option<String> {
    let [entry] = entries else {
        return match (wanted, entries.is_empty()) {
            (true, true) => Some(format!("its entry is missing; the link is {link:?}")),
            (false, true) => None,
            (_, false) => Some(format!("{} entries stand", entries.len())),
        };
    };
    if !wanted {
        return Some(format!("{} stands on {} although nothing is wanted there: {link:?}", entry.1, entry.0));
    }
    let google = open(&world.google);
    let resource = google.entry(&entry.0, &entry.1)?;
    let Some(remote) = link.and_then(|link| link.remote.as_ref()) else {
        return Some(format!("{} stands, and the link knows of none: {link:?}", entry.1));
    };
    if remote.id.as_str() != entry.1 || resource.get("etag").and_then(Value::as_str) != Some(remote.etag.as_str()) {
        return Some(format!("the link knows {} at {}, and {:?} stands", remote.id, remote.etag, resource.get("etag")));
    }
    let at = |side: &str| time(resource, side);
    let (starts_at, ends_at) = booking.slot.widest();
    if at("start") != Some(starts_at) || at("end") != Some(ends_at) {
        return Some(format!("it stands at {:?}, and is booked for {starts_at}", at("start")));
    }
    let title = resource.get("summary").and_then(Value::as_str);
    let by_person = title.is_some_and(|title| title.starts_with("VIP "));
    (!by_person && title != booking.details.title.text.as_deref()).then(|| format!("its title is {title:?}"))
}

fn time(resource: &Map<String, Value>, side: &str) -> Option<DateTime<Utc>> {
    let text = resource.get(side)?["dateTime"].as_str()?;
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

/// The leaf hashes of the whole ledger, one after the other.
pub(super) fn leaves(world: &World) -> Vec<u8> {
    let all = block_on(world.ledger.read_all(crate::domain::ids::Position(0), usize::MAX)).unwrap_or_default();
    all.iter().flat_map(|recorded| recorded.leaf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(acts: u64, writes: u64) -> Notes {
        let of = |count| BTreeMap::from([("appt_000001".to_owned(), count)]);
        Notes { acts: of(acts), writes: of(writes), ..Notes::default() }
    }

    #[test]
    fn more_than_two_writes_for_an_act_break_a_rule() {
        for (acts, writes, broken) in [(1, 4, false), (1, 5, true), (3, 8, false), (3, 9, true)] {
            let mut notes = notes(acts, writes);
            few_writes(&mut notes);
            let found: Vec<&str> = notes.violations.iter().map(|violation| violation.invariant).collect();
            assert_eq!(found == ["I6"], broken, "{writes} writes for {acts} acts: {found:?}");
        }
    }
}
