//! Present failures of the loops.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

/// The last failure of each loop, for `/health`. A loop that works has none.
#[derive(Debug, Clone, Default)]
pub struct CurrentFailures(Arc<Mutex<BTreeMap<String, (DateTime<Utc>, String)>>>);

impl CurrentFailures {
    /// The failures by loop: since when, and the message.
    pub fn all(&self) -> BTreeMap<String, (DateTime<Utc>, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this failure is already recorded.
    pub fn known(&self, name: &str, failure: &str) -> bool {
        let current_failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current_failures.get(name).is_some_and(|(_, known)| known == failure)
    }

    /// Records a loop's result: a failure, or `None` for success.
    pub fn note(&self, name: &str, now: DateTime<Utc>, failure: Option<String>) {
        let mut current_failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(failure) => current_failures.entry(name.to_owned()).or_insert((now, String::new())).1 = failure,
            None => drop(current_failures.remove(name)),
        }
    }
}
