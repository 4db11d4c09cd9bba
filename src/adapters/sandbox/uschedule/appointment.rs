//! USchedule's appointments.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Status of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Booked.
    Booked,
    /// Cancelled, permanently.
    Cancelled,
}

/// The customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their email address.
    #[serde(default)]
    pub email: Option<String>,
    /// Their phone number.
    #[serde(default)]
    pub phone: Option<String>,
}

/// A request to book, as sent by a booking app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAppointment {
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
    /// The time zone it was chosen in.
    pub time_zone: Tz,
    /// The resource, such as `bay-1`.
    pub resource: String,
    /// The service.
    pub service: String,
    /// Notes.
    #[serde(default)]
    pub notes: Option<String>,
    /// The customer.
    pub customer: Customer,
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// Its present details.
    pub booked: NewAppointment,
    /// Starts at 1 and increases with every change.
    pub revision: u64,
    /// When it last changed; no two changes at the same time.
    pub updated_at: DateTime<Utc>,
}

impl Appointment {
    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        let time = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
        json!({
            "id": self.id,
            "status": self.status,
            "starts_at": time(self.booked.starts_at),
            "ends_at": time(self.booked.ends_at),
            "time_zone": self.booked.time_zone.name(),
            "resource": self.booked.resource,
            "service": self.booked.service,
            "notes": self.booked.notes,
            "customer": self.booked.customer,
            "revision": self.revision,
            "updated_at": self.updated_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        })
    }
}
