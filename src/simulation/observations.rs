//! Everything observed in a simulation: acknowledged appends, calls, actions of people, and violations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use super::client::{ClientAnswer, ClientRequest};
use crate::domain::ids::EventId;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant: `I1` …, or the name of one without a number.
    pub invariant: &'static str,
    /// The observed violation.
    pub what: String,
}

/// A person's edit of a managed entry.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    /// The calendar of the entry.
    pub calendar: String,
    /// The id of the entry.
    pub entry: String,
    /// The link of the entry.
    pub link: String,
}

/// All observations of one simulation.
#[derive(Debug, Default)]
pub(super) struct Observations {
    /// Acknowledged events that have not been looked up in the ledger yet.
    pub acknowledged: Vec<EventId>,
    /// The number of acknowledged events.
    pub acknowledged_count: u64,
    /// Versions of entries made by a person, by etag.
    pub edits: BTreeMap<String, Edit>,
    /// Etags of the versions made by a person that we overwrote.
    pub overwritten: Vec<String>,
    /// Entries that we do not manage, by calendar and id, with the etag of a person's last version; `None` if the person
    /// deleted the entry.
    pub unmanaged: BTreeMap<(String, String), Option<String>>,
    /// Entries that a person restored from the bin.
    pub restored_entries: BTreeSet<(String, String)>,
    /// Entries that existed at the same time as another of their link, none of them restored by a person; by link.
    pub duplicate_entries: BTreeMap<String, BTreeSet<String>>,
    /// Deleted entries that a person can restore: calendar and id.
    pub deleted_entries: Vec<(String, String)>,
    /// Entries whose marker a person removed, with their appointment.
    pub unmarked: BTreeMap<String, String>,
    /// Appointments whose entry a person deleted.
    pub deleted_by_person: BTreeSet<String>,
    /// Our writes that changed an entry, with their time, except creates that had to wait for the profile's window.
    pub entry_writes: Vec<(DateTime<Utc>, String)>,
    /// The number of actions of customers, calendar users and operators, by appointment.
    pub actions: BTreeMap<String, u64>,
    /// The number of our writes that changed an entry, by appointment.
    pub writes: BTreeMap<String, u64>,
    /// Method, URL and body of the request sent with each idempotency key.
    pub keys: BTreeMap<String, String>,
    /// The application's first request with each key.
    pub requests: Vec<ClientRequest>,
    /// The first answer to each of them, by key.
    pub answers: BTreeMap<String, ClientAnswer>,
    /// The number of calls by method and path during an outage.
    pub calls: BTreeMap<(String, String), u64>,
    /// The violations found.
    pub violations: Vec<Violation>,
    /// Counters by name.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Observations {
    /// Increments a counter.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Counts one action on an appointment.
    pub fn count_action(&mut self, appointment: &str) {
        *self.actions.entry(appointment.to_owned()).or_default() += 1;
    }

    /// Adds a violation of an invariant.
    pub fn add_violation(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.violations.push(Violation { invariant, what: what.into() });
    }
}

/// The observations, shared by all parts of the simulation.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedObservations(Arc<Mutex<Observations>>);

impl SharedObservations {
    /// The observations, locked.
    pub fn lock(&self) -> MutexGuard<'_, Observations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
