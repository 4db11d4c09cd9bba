//! The model's appointments as JSON, to continue in another process.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Appointment, Settings, USchedule};

/// The saved part of the model. Idempotency keys, pending webhooks, faults and the call log are not saved.
#[derive(Serialize, Deserialize)]
struct State {
    changes: u64,
    made: u64,
    last_update: DateTime<Utc>,
    appointments: BTreeMap<String, Appointment>,
}

impl USchedule {
    /// The appointments, including cancelled ones.
    ///
    /// # Errors
    /// They cannot be serialised.
    pub fn save(&self) -> serde_json::Result<Value> {
        serde_json::to_value(State {
            changes: self.changes,
            made: self.made,
            last_update: self.last_update,
            appointments: self.appointments.clone(),
        })
    }

    /// A booking system with these appointments.
    ///
    /// # Errors
    /// `saved` is not a result of [`USchedule::save`] gives.
    pub fn restore(settings: Settings, saved: Value) -> serde_json::Result<Self> {
        let State { changes, made, last_update, appointments } = serde_json::from_value(saved)?;
        Ok(Self { changes, made, last_update, appointments, ..Self::new(settings) })
    }
}
