//! Expands a recurring entry: rules and dates, minus exceptions, with occurrences that were changed individually.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;

use super::{
    entry::{Entry, Replaces},
    rule::Work,
    time::{Key, Length, When},
};
use crate::adapters::files::{OCCURRENCES_MAX, Window};

/// One occurrence.
pub(super) struct Occurrence<'e> {
    /// Identifies the occurrence in its series, even if it was moved; `None` if the entry does not recur.
    pub key: Option<Key>,
    pub start: When,
    pub length: Length,
    /// The entry with its texts, resource and status.
    pub like: &'e Entry,
}

impl<'e> Occurrence<'e> {
    /// An entry that does not recur.
    pub(super) fn alone(entry: &'e Entry) -> Self {
        Self { key: None, start: entry.start, length: entry.length, like: entry }
    }
}

/// A series within a window.
pub(super) struct Expansion<'e> {
    pub occurrences: Vec<Occurrence<'e>>,
    /// Whether there would have been more than [`OCCURRENCES_MAX`].
    pub cut: bool,
}

/// Whether an entry recurs.
pub(super) fn repeats(entry: &Entry) -> bool {
    !entry.rules.is_empty() || !entry.more.is_empty()
}

/// Expands `master`. `changed` are the entries with a `RECURRENCE-ID`, one per occurrence.
pub(super) fn expand<'e>(
    master: &'e Entry,
    changed: &'e [Entry],
    window: Window,
    work: &mut Work,
) -> Result<Expansion<'e>, String> {
    let changed: BTreeMap<Key, (&Entry, Replaces)> =
        changed.iter().filter_map(|entry| entry.replaces.map(|what| (what.key, (entry, what)))).collect();
    let mut occurrences: BTreeMap<Key, Occurrence<'e>> = BTreeMap::new();
    for (civil, length) in originals(master, window, work)? {
        let original = master.start.moved_to(civil);
        let Some(key) = original.key() else { continue };
        if changed.contains_key(&key) || changed.contains_key(&Key::Day(civil.date())) {
            continue;
        }
        let occurrence = match following(&changed, key) {
            Some((entry, what)) => moved_along(entry, &what, key, civil),
            None => Some(Occurrence {
                key: Some(key),
                start: original,
                length: length.unwrap_or(master.length),
                like: master,
            }),
        };
        occurrences.extend(occurrence.map(|occurrence| (key, occurrence)));
    }
    for (key, (entry, _)) in &changed {
        // An occurrence moved out of the window is included if its original is inside.
        if within(entry.start, window) || within_key(*key, window) {
            let one = Occurrence { key: Some(*key), start: entry.start, length: entry.length, like: entry };
            occurrences.insert(*key, one);
        }
    }
    let cut = occurrences.len() > OCCURRENCES_MAX;
    Ok(Expansion { occurrences: occurrences.into_values().take(OCCURRENCES_MAX).collect(), cut })
}

/// The last change of "this and all following" at or before an occurrence.
fn following<'e>(changed: &BTreeMap<Key, (&'e Entry, Replaces)>, key: Key) -> Option<(&'e Entry, Replaces)> {
    changed.range(..=key).rev().find(|(_, (_, what))| what.following).map(|(_, found)| *found)
}

/// An occurrence after a changed one is moved by the same distance.
fn moved_along<'e>(entry: &'e Entry, what: &Replaces, key: Key, civil: NaiveDateTime) -> Option<Occurrence<'e>> {
    let by = entry.start.civil() - what.original.civil();
    let start = entry.start.moved_to(civil.checked_add_signed(by)?);
    Some(Occurrence { key: Some(key), start, length: entry.length, like: entry })
}

/// All original starts of a series within the window, in local time of its start.
fn originals(
    master: &Entry,
    window: Window,
    work: &mut Work,
) -> Result<BTreeMap<NaiveDateTime, Option<Length>>, String> {
    let start = master.start.civil();
    let civil = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&master.start.zone()).naive_local();
    let (from, until) = (civil(window.from), civil(window.until));
    let mut all = BTreeMap::new();
    if (from..until).contains(&start) {
        all.insert(start, None);
    }
    for rule in &master.rules {
        all.extend(rule.starts(start, from, until, work)?.into_iter().map(|at| (at, None)));
    }
    for (more, length) in &master.more {
        let at = in_terms_of(&master.start, more);
        if (from..until).contains(&at) {
            all.insert(at, *length);
        }
    }
    let mut days = BTreeSet::new();
    for except in &master.except {
        match (except, master.start) {
            // A day in a series of times: excludes no time on that day.
            (When::Day(day), When::At { .. }) => {
                days.insert(*day);
            }
            (When::Day(_) | When::At { .. }, _) => {
                all.remove(&in_terms_of(&master.start, except));
            }
        }
    }
    all.retain(|at, _| !days.contains(&at.date()));
    Ok(all)
}

/// A date of a series in the local time of its start.
fn in_terms_of(start: &When, at: &When) -> NaiveDateTime {
    match (start, at) {
        (When::At { zone, .. }, When::At { civil, zone: other }) if zone != other => {
            at.instant().map_or(*civil, |instant| instant.with_timezone(zone).naive_local())
        }
        (When::At { civil, .. }, When::Day(day)) => day.and_time(civil.time()),
        (When::Day(_), When::At { civil, .. }) => civil.date().and_time(chrono::NaiveTime::MIN),
        (When::At { .. }, When::At { civil, .. }) => *civil,
        (When::Day(_), When::Day(_)) => at.civil(),
    }
}

fn within(start: When, window: Window) -> bool {
    start.instant().is_some_and(|at| (window.from..window.until).contains(&at))
}

fn within_key(key: Key, window: Window) -> bool {
    match key {
        Key::At(at) => (window.from..window.until).contains(&at),
        Key::Day(day) => within(When::Day(day), window),
    }
}
