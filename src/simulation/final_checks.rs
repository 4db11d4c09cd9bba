//! Invariants that must hold at the end of a simulation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use serde_json::{Map, Value};

use super::{
    canaries,
    driver::Driver,
    observations::Observations,
    step_checks::entries_by_link,
    world::{self, BAYS, World, lock},
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

/// Checks everything at the end of the quiet phase, which began at `began`.
pub(super) fn check(driver: &Driver<'_>, began: DateTime<Utc>) {
    let world = &driver.world;
    check_read_models(world);
    let mut observations = world.observations.lock();
    for command in driver.checks.open_commands.keys() {
        observations.add_violation("I8", format!("{command} was issued, but its outcome is not in the ledger"));
    }
    let quiet_from = began + TimeDelta::hours(24);
    let late_writes: Vec<String> = observations
        .entry_writes
        .iter()
        .filter(|(at, _)| *at >= quiet_from)
        .map(|(at, what)| format!("{at}: {what}"))
        .collect();
    if let Some(first) = late_writes.first() {
        observations
            .add_violation("I6", format!("{} writes in the last 24 hours, the first {first}", late_writes.len()));
    }
    check_write_counts(&mut observations);
    let live_entries = entries_by_link(world, &observations);
    for (link, entries) in &live_entries {
        if entries.len() > 1 && accepted_reason(driver.checks.links.get(link)).is_none_or(|why| why != "detached") {
            observations
                .add_violation("I1", format!("{link} has {} live entries at the end: {entries:?}", entries.len()));
        }
    }
    for (link, entries) in std::mem::take(&mut observations.duplicate_entries) {
        if driver.checks.recorded_duplicates.is_disjoint(&entries) {
            observations.add_violation(
                "I1",
                format!("{link} had the entries {entries:?} at the same time, but the ledger does not record it"),
            );
        }
    }
    check_edits_recorded(driver, &mut observations);
    check_agreement(driver, &mut observations, &live_entries);
}

/// I6: at most two writes per action of a person on an appointment, and two more for its first entry, which may have to be
/// removed again. An entry that the provider created although it answered 409 needs one more write to be removed.
fn check_write_counts(observations: &mut Observations) {
    let spare = observations.counts.get(super::plan::Fault::Conflict.name()).copied().unwrap_or(0);
    let many: Vec<String> = observations
        .writes
        .iter()
        .map(|(appointment, writes)| {
            (appointment, *writes, observations.actions.get(appointment).copied().unwrap_or(0))
        })
        .filter(|(_, writes, actions)| *writes > 2 * (actions + 1) + spare)
        .map(|(appointment, writes, actions)| format!("{writes} writes for {actions} actions on {appointment}"))
        .collect();
    observations.count("writes_counted");
    for what in many {
        observations.add_violation("I6", what);
    }
}

/// I7: if a version made by a person still exists, the ledger records it as accepted, held or rejected.
fn check_edits_recorded(driver: &Driver<'_>, observations: &mut Observations) {
    let google = lock(&driver.world.google);
    let mut unrecorded = Vec::new();
    for (etag, edit) in &observations.edits {
        let at = (edit.calendar.clone(), edit.entry.clone());
        let entry = google.entry(&edit.calendar, &edit.entry);
        let exists = entry.and_then(|entry| entry.get("etag")?.as_str()) == Some(etag.as_str());
        let detached =
            driver.checks.links.get(&edit.link).and_then(Option::as_ref).is_some_and(|l| l.detached.is_some());
        if exists
            && !detached
            && !observations.unmanaged.contains_key(&at)
            && !driver.checks.recorded_etags.contains(etag)
        {
            unrecorded
                .push(format!("{} of {} is at version {etag}, which is not in the ledger", edit.entry, edit.link));
        }
    }
    drop(google);
    for what in unrecorded {
        observations.add_violation("I7", what);
    }
}

/// I4: every table equals the result of a replay of the whole ledger.
fn check_read_models(world: &World) {
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
            Ok(progress) => world
                .observations
                .lock()
                .add_violation("I4", format!("read models have stopped: {:?}", progress.stopped)),
            Err(failure) => {
                world.observations.lock().add_violation("I4", format!("the read models cannot be filled: {failure}"));
            }
        }
    }
    for projection in ALL {
        let (live, replayed) = (world.models.rows(projection, Position(0)), replayed.rows(projection, Position(0)));
        world.observations.lock().count("tables_compared");
        if live != replayed {
            let differing = live.iter().find(|row| !replayed.contains(row));
            let missing = replayed.iter().find(|row| !live.contains(row));
            let what = format!("{} has {differing:?} where a replay has {missing:?}", projection.name);
            world.observations.lock().add_violation("I4", what);
        }
    }
}

/// Why an entry may differ from its booking: the reasons that an operator sees.
fn accepted_reason(link: Option<&Option<Link>>) -> Option<&'static str> {
    let link = link?.as_ref()?;
    if link.detached.is_some() {
        return Some("detached");
    }
    match link.held.as_ref().map(|held| &held.reason) {
        Some(HoldReason::Overlap { .. }) => return Some("held: overlap"),
        Some(HoldReason::MassRemoval { .. }) => return Some("held: mass removal"),
        Some(HoldReason::WholeDay | HoldReason::Restored | HoldReason::OperatorDecision) => {
            return Some("held: a person");
        }
        Some(HoldReason::Unreadable { .. }) => return Some("held: unreadable"),
        Some(HoldReason::Busy | HoldReason::Grace) | None => {}
    }
    match link.withheld.as_ref().map(|(reason, _, _)| reason) {
        Some(WithholdReason::TooFarAhead) if link.remote.is_none() => Some("too far ahead"),
        Some(WithholdReason::Past) if link.remote.is_none() => Some("past"),
        _ => None,
    }
}

/// I5: source, ledger and calendars agree, or an open item explains the difference.
fn check_agreement(
    driver: &Driver<'_>,
    observations: &mut Observations,
    live_entries: &BTreeMap<String, Vec<(String, String)>>,
) {
    let world = &driver.world;
    let appointments: Vec<Appointment> = lock(&world.uschedule).appointments().cloned().collect();
    for appointment in &appointments {
        let id = BookingId::of_source(&world::source_name(), &appointment.id);
        let Some(booking) = booking(world, &id) else {
            observations.add_violation("I5", format!("{} is not in the ledger", appointment.id));
            continue;
        };
        if let Some(difference) = difference(appointment, &booking) {
            observations
                .add_violation("I5", format!("{}: source and ledger have a different {difference}", appointment.id));
        }
        check_calendars(driver, observations, live_entries, &id, &booking);
    }
    let answered: BTreeSet<String> =
        observations.answers.values().map(|answered| answered.booking().to_owned()).collect();
    for id in answered.iter().filter_map(|id| BookingId::new(id.as_str()).ok()) {
        match booking(world, &id) {
            Some(booking) => check_calendars(driver, observations, live_entries, &id, &booking),
            None => observations
                .add_violation("I5", format!("{id} was returned to the application, but is not in the ledger")),
        }
    }
}

fn booking(world: &World, id: &BookingId) -> Option<Booking> {
    block_on(world.journal().booking(id)).ok().and_then(|(booking, _)| booking)
}

fn check_calendars(
    driver: &Driver<'_>,
    observations: &mut Observations,
    live_entries: &BTreeMap<String, Vec<(String, String)>>,
    id: &BookingId,
    booking: &Booking,
) {
    observations.count("bookings_compared");
    for (resource, calendar) in BAYS {
        let link_id = LinkId::of(id, &world::calendar_key(calendar));
        let link = driver.checks.links.get(link_id.as_str());
        let empty = Vec::new();
        let entries = live_entries.get(link_id.as_str()).unwrap_or(&empty);
        if let Some(excuse) = accepted_reason(link) {
            observations.count(if excuse == "detached" { "excused_detached" } else { "excused_held" });
            continue;
        }
        let wanted = booking.active() && booking.resource.as_str() == resource;
        let link = link.and_then(Option::as_ref);
        if let Some(what) = entry_difference(&driver.world, wanted, booking, link, entries) {
            observations.add_violation("I5", format!("{link_id}: {what}"));
        }
    }
}

fn difference(appointment: &Appointment, booking: &Booking) -> Option<&'static str> {
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
    (booking.details.title.text.as_deref() != Some(appointment.booked.service.as_str())).then_some("title")
}

fn entry_difference(
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
            (_, false) => Some(format!("{} entries exist", entries.len())),
        };
    };
    if !wanted {
        return Some(format!("{} exists on {} although there should be no entry: {link:?}", entry.1, entry.0));
    }
    let google = lock(&world.google);
    let resource = google.entry(&entry.0, &entry.1)?;
    let Some(remote) = link.and_then(|link| link.remote.as_ref()) else {
        return Some(format!("{} exists, but the link has no entry: {link:?}", entry.1));
    };
    if remote.id.as_str() != entry.1 || resource.get("etag").and_then(Value::as_str) != Some(remote.etag.as_str()) {
        return Some(format!(
            "the link has {} at version {}, but the calendar has version {:?}",
            remote.id,
            remote.etag,
            resource.get("etag")
        ));
    }
    let at = |side: &str| time(resource, side);
    let (starts_at, ends_at) = booking.slot.widest();
    if at("start") != Some(starts_at) || at("end") != Some(ends_at) {
        return Some(format!("the entry starts at {:?}, but the booking at {starts_at}", at("start")));
    }
    let title = resource.get("summary").and_then(Value::as_str);
    let by_person = title.is_some_and(|title| title.starts_with(canaries::ENTRY_TITLE));
    (!by_person && title != booking.details.title.text.as_deref()).then(|| format!("the title is {title:?}"))
}

fn time(resource: &Map<String, Value>, side: &str) -> Option<DateTime<Utc>> {
    let text = resource.get(side)?["dateTime"].as_str()?;
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

/// The concatenated leaf hashes of the whole ledger.
pub(super) fn ledger_leaves(world: &World) -> Vec<u8> {
    let all = block_on(world.ledger.read_all(crate::domain::ids::Position(0), usize::MAX)).unwrap_or_default();
    all.iter().flat_map(|recorded| recorded.leaf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observations(actions: u64, writes: u64) -> Observations {
        let of = |count| BTreeMap::from([("appt_000001".to_owned(), count)]);
        Observations { actions: of(actions), writes: of(writes), ..Observations::default() }
    }

    #[test]
    fn more_than_two_writes_for_an_act_break_a_rule() {
        for (actions, writes, broken) in [(1, 4, false), (1, 5, true), (3, 8, false), (3, 9, true)] {
            let mut observations = observations(actions, writes);
            check_write_counts(&mut observations);
            let found: Vec<&str> = observations.violations.iter().map(|violation| violation.invariant).collect();
            assert_eq!(found == ["I6"], broken, "{writes} writes for {actions} actions: {found:?}");
        }
    }
}
