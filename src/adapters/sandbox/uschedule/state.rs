//! The model's appointments as JSON, and from it: a booking system that goes on where another process left it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Appointment, Settings, USchedule};

/// What of the model outlives a process. Idempotency keys, announcements on their way, faults and the log of calls do not.
#[derive(Serialize, Deserialize)]
struct State {
    changes: u64,
    made: u64,
    last_update: DateTime<Utc>,
    appointments: BTreeMap<String, Appointment>,
}

impl USchedule {
    /// The appointments, cancelled ones included.
    ///
    /// # Errors
    /// Where they cannot be written as JSON.
    pub fn save(&self) -> serde_json::Result<Value> {
        serde_json::to_value(State {
            changes: self.changes,
            made: self.made,
            last_update: self.last_update,
            appointments: self.appointments.clone(),
        })
    }

    /// A booking system with those appointments.
    ///
    /// # Errors
    /// Where `saved` is not what [`USchedule::save`] gives.
    pub fn restore(settings: Settings, saved: Value) -> serde_json::Result<Self> {
        let State { changes, made, last_update, appointments } = serde_json::from_value(saved)?;
        Ok(Self { changes, made, last_update, appointments, ..Self::new(settings) })
    }
}
