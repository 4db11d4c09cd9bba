//! The model's calendars as JSON, to continue in another process.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Google, Settings, entry::Calendar};

/// The saved part of the model. Tokens, channels, pending notifications, faults and the call log are not saved:
/// callers get new ones.
#[derive(Serialize, Deserialize)]
struct State {
    change: u64,
    chances: u64,
    sync_generation: u64,
    primary: Option<String>,
    calendars: BTreeMap<String, Calendar>,
}

impl Google {
    /// The calendars with their entries, including deleted ones, and the state behind issued sync tokens.
    ///
    /// # Errors
    /// It cannot be serialised.
    pub fn save(&self) -> serde_json::Result<Value> {
        serde_json::to_value(State {
            change: self.change,
            chances: self.chances,
            sync_generation: self.sync_generation,
            primary: self.primary.clone(),
            calendars: self.calendars.clone(),
        })
    }

    /// A provider with these calendars.
    ///
    /// # Errors
    /// `saved` is not a result of [`Google::save`].
    pub fn restore(settings: Settings, saved: Value) -> serde_json::Result<Self> {
        let State { change, chances, sync_generation, primary, calendars } = serde_json::from_value(saved)?;
        Ok(Self { change, chances, sync_generation, primary, calendars, ..Self::new(settings) })
    }
}
