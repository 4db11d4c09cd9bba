//! Records of a simulation: acknowledged appends, calls, actions of people, and violations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use super::client::{Answered, Order};
use crate::domain::ids::EventId;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant: `I1` … or the name of one that has no number.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// What a person did to an entry of ours.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    /// The calendar.
    pub calendar: String,
    /// The entry.
    pub entry: String,
    /// The link that it belonged to.
    pub link: String,
}

/// All notes of one simulation.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Events whose append was acknowledged, not yet looked for.
    pub acknowledged: Vec<EventId>,
    /// How many there were.
    pub acknowledged_count: u64,
    /// Entry versions that a person made, by etag.
    pub edits: BTreeMap<String, Edit>,
    /// Versions made by a person that we wrote over: etag.
    pub overwritten: Vec<String>,
    /// Entries that are nobody's business of ours, with the version that a person left: (calendar, id) to etag, or none
    /// where the person deleted it.
    pub unmanaged: BTreeMap<(String, String), Option<String>>,
    /// Entries that a person brought back from the bin.
    pub brought_back: BTreeSet<(String, String)>,
    /// Entries that stood beside another of the same link, none of which a person had brought back.
    pub doubles: BTreeMap<String, BTreeSet<String>>,
    /// Deleted entries that a person could bring back: calendar and id.
    pub bin: Vec<(String, String)>,
    /// Entries whose marker a person took away, with the appointment they had been of.
    pub stripped: BTreeMap<String, String>,
    /// Appointments whose entry a person has deleted at some time.
    pub deleted_by_person: BTreeSet<String>,
    /// Our writes that changed an entry, and when; those left out that had to wait until the window reached them.
    pub entry_writes: Vec<(DateTime<Utc>, String)>,
    /// What customers, people at the calendar and operators did about an appointment, how often.
    pub acts: BTreeMap<String, u64>,
    /// Our writes that changed an entry, by the appointment that it is of.
    pub writes: BTreeMap<String, u64>,
    /// What was sent under an idempotency key, by source and key: method, URL and body.
    pub keys: BTreeMap<String, String>,
    /// Requests of the application, the first under each key.
    pub orders: Vec<Order>,
    /// What was first answered to each of them, by key.
    pub answered: BTreeMap<String, Answered>,
    /// Calls by method and path, as long as an outage lasts.
    pub calls: BTreeMap<(String, String), u64>,
    /// Rules found broken.
    pub violations: Vec<Violation>,
    /// What happened how often.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Notes {
    /// Counts one more.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// One more act about an appointment.
    pub fn act(&mut self, appointment: &str) {
        *self.acts.entry(appointment.to_owned()).or_default() += 1;
    }

    /// Notes a broken rule.
    pub fn broken(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.violations.push(Violation { invariant, what: what.into() });
    }
}

/// Notes that everybody in the simulation writes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Notebook(Arc<Mutex<Notes>>);

impl Notebook {
    /// The notes.
    pub fn open(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
