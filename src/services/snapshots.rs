//! Snapshots of folded streams: the next fold starts from there, so a decision costs only what is new.
//!
//! Kept in memory only, and only while every text in them may be read: after a person is erased, their snapshots
//! are dropped.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::{
    booking::Booking,
    connection::Connection,
    ids::{SubjectId, Version},
    link::Link,
};

/// Number of snapshots kept per kind; older ones are dropped only after this many newer ones.
const KEPT_MAX: usize = 1_000;

/// A folded stream.
#[derive(Debug, Clone)]
pub(super) struct Snapshot<S> {
    /// The folded state.
    pub state: Option<S>,
    /// The version of the last event.
    pub version: Option<Version>,
    /// The subjects whose texts were decrypted for it.
    pub subjects: BTreeSet<SubjectId>,
}

impl<S> Default for Snapshot<S> {
    fn default() -> Self {
        Self { state: None, version: None, subjects: BTreeSet::new() }
    }
}

/// Snapshots of one kind, by stream id.
#[derive(Debug)]
pub(super) struct StateCache<S>(Mutex<Generations<S>>);

#[derive(Debug)]
struct Generations<S> {
    young: HashMap<String, Snapshot<S>>,
    old: HashMap<String, Snapshot<S>>,
}

impl<S> Default for StateCache<S> {
    fn default() -> Self {
        Self(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }))
    }
}

impl<S: Clone> StateCache<S> {
    fn open(&self) -> MutexGuard<'_, Generations<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot of a stream; empty if there is none.
    pub fn get(&self, id: &str) -> Snapshot<S> {
        let mut cache = self.open();
        if let Some(known) = cache.young.get(id) {
            return known.clone();
        }
        let Some(known) = cache.old.remove(id) else { return Snapshot::default() };
        cache.put(id, known.clone());
        known
    }

    /// Stores a snapshot.
    pub fn put(&self, id: &str, snapshot: Snapshot<S>) {
        self.open().put(id, snapshot);
    }

    /// Drops a snapshot: the next read starts at the beginning of the stream.
    pub fn drop(&self, id: &str) {
        let mut cache = self.open();
        cache.young.remove(id);
        cache.old.remove(id);
    }
}

impl<S> Generations<S> {
    fn put(&mut self, id: &str, snapshot: Snapshot<S>) {
        if self.young.len() >= KEPT_MAX && !self.young.contains_key(id) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id.to_owned(), snapshot);
    }
}

/// The snapshots of a journal.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    pub bookings: StateCache<Booking>,
    pub links: StateCache<Link>,
    pub connections: StateCache<Connection>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(version: u64) -> Snapshot<u64> {
        Snapshot { state: Some(version), version: Some(Version(version)), subjects: BTreeSet::new() }
    }

    #[test]
    fn what_is_used_stays_and_the_number_is_bounded() {
        let cache = StateCache::default();
        cache.put("often", snapshot(7));
        for n in 0..10 * KEPT_MAX as u64 {
            cache.put(&n.to_string(), snapshot(n));
            assert_eq!(cache.get("often").state, Some(7), "after {n}");
            let generations = cache.open();
            assert!(generations.young.len() + generations.old.len() <= 2 * KEPT_MAX);
        }
        assert_eq!(cache.get("0").state, None);
    }

    #[test]
    fn a_dropped_one_is_gone_whatever_its_age() {
        let cache = StateCache::default();
        cache.put("a", snapshot(1));
        for n in 0..KEPT_MAX as u64 + 5 {
            cache.put(&n.to_string(), snapshot(n));
        }
        cache.drop("a");
        assert_eq!(cache.get("a").version, None);
    }
}
