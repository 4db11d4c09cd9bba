//! What USchedule books: an appointment.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Whether an appointment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It stands.
    Booked,
    /// It was called off. For good.
    Cancelled,
}

/// Who booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Their phone number.
    #[serde(default)]
    pub phone: Option<String>,
}

/// What a booking app sends to book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAppointment {
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
    /// The zone it was chosen in.
    pub time_zone: Tz,
    /// What is booked: `bay-1`.
    pub resource: String,
    /// What for.
    pub service: String,
    /// Anything to know.
    #[serde(default)]
    pub notes: Option<String>,
    /// Who booked.
    pub customer: Customer,
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// Its id.
    pub id: String,
    /// Whether it stands.
    pub status: Status,
    /// What was booked, as it is now.
    pub booked: NewAppointment,
    /// From 1, one more with every change.
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
