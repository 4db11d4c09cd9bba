//! The model's calendars as JSON, and from it: a provider that goes on where another process left it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Google, Settings, entry::Calendar};

/// What of the model outlives a process. Tokens, channels, notifications on their way, faults and the log of calls do not:
/// whoever calls gets new ones.
#[derive(Serialize, Deserialize)]
struct State {
    change: u64,
    chances: u64,
    sync_generation: u64,
    primary: Option<String>,
    calendars: BTreeMap<String, Calendar>,
}

impl Google {
    /// The calendars with their entries, deleted ones included, and what sync tokens given out so far stand for.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn save(&self) -> serde_json::Result<Value> {
        serde_json::to_value(State {
            change: self.change,
            chances: self.chances,
            sync_generation: self.sync_generation,
            primary: self.primary.clone(),
            calendars: self.calendars.clone(),
        })
    }

    /// A provider with those calendars.
    ///
    /// # Errors
    /// Where `saved` is not what [`Google::save`] gives.
    pub fn restore(settings: Settings, saved: Value) -> serde_json::Result<Self> {
        let State { change, chances, sync_generation, primary, calendars } = serde_json::from_value(saved)?;
        Ok(Self { change, chances, sync_generation, primary, calendars, ..Self::new(settings) })
    }
}
