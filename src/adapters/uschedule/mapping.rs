//! Converts USchedule's appointment to our booking. The only file that knows the appointment's fields.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    domain::{
        booking::{Customer, Details, Snapshot},
        ids::{ResourceId, SourceName, SubjectId, short_hash},
        personal::Personal,
        slot::Slot,
    },
    ports::{deliveries::Delivery, source::SourceBooking},
};

/// Maximum size of an appointment, in bytes of JSON.
pub const APPOINTMENT_BYTES_MAX: usize = 64 * 1024;

/// Title of an appointment without one.
const UNTITLED: &str = "Booking";

#[derive(Deserialize)]
struct Appointment {
    id: String,
    status: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    time_zone: String,
    resource: String,
    /// The title. Some accounts call it `service`.
    #[serde(default, alias = "service")]
    title: Option<String>,
    #[serde(default)]
    notes: Option<String>,
    #[serde(default)]
    customer: Option<Person>,
    revision: u64,
    updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    phone: Option<String>,
}

/// The booking of an appointment's JSON.
///
/// # Errors
/// What is wrong: the field or the rule, never a value written by a person.
pub(super) fn source_booking(source: &SourceName, body: &str) -> Result<SourceBooking, String> {
    if body.len() > APPOINTMENT_BYTES_MAX {
        return Err(format!("the appointment is longer than {APPOINTMENT_BYTES_MAX} bytes"));
    }
    let value: Value = serde_json::from_str(body).map_err(|_| "the appointment is not JSON".to_owned())?;
    let subject = subject(source, &value);
    let appointment: Appointment = serde_json::from_value(value.clone()).map_err(|_| wrong_field(&value))?;
    let cancelled = match appointment.status.as_str() {
        "booked" => false,
        "cancelled" => true,
        _ => return Err("its status must be booked or cancelled".into()),
    };
    if appointment.id.is_empty() || appointment.revision == 0 {
        return Err("its id is empty, or its revision is 0".into());
    }
    let personal = |text: String| Personal::new(subject.clone(), text);
    let non_empty = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
    let customer = appointment.customer.map(|p| (non_empty(p.name), non_empty(p.email), non_empty(p.phone)));
    let customer = customer.filter(|(name, email, phone)| name.is_some() || email.is_some() || phone.is_some());
    let slot = Slot::timed(appointment.starts_at, appointment.ends_at, &appointment.time_zone);
    Ok(SourceBooking {
        snapshot: Snapshot {
            source: source.clone(),
            source_ref: appointment.id,
            resource: ResourceId::new(appointment.resource).map_err(|_| "its resource is not a valid name")?,
            slot: slot.map_err(|error| error.to_string())?,
            details: Details {
                title: personal(non_empty(appointment.title).unwrap_or_else(|| UNTITLED.to_owned())),
                notes: non_empty(appointment.notes).map(&personal),
                customer: customer.map(|(name, email, phone)| Customer {
                    name: personal(name.unwrap_or_default()),
                    email: email.map(&personal),
                    phone: phone.map(&personal),
                }),
            },
            // USchedule has no tentative appointments: every one is confirmed.
            confirmed: true,
            cancelled,
        },
        revision: Some(appointment.revision),
        changed_at: appointment.updated_at,
    })
}

/// The invalid field of an appointment, for support staff. The parser's own message would repeat the value.
fn wrong_field(value: &Value) -> String {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let time = |key: &str| text(key).is_some_and(|t| DateTime::parse_from_rfc3339(t).is_ok());
    let wrong: Vec<&str> = [
        ("id", text("id").is_some()),
        ("status", text("status").is_some()),
        ("starts_at", time("starts_at")),
        ("ends_at", time("ends_at")),
        ("time_zone", text("time_zone").is_some()),
        ("resource", text("resource").is_some()),
        ("revision", value.get("revision").is_some_and(Value::is_u64)),
        ("updated_at", time("updated_at")),
    ]
    .into_iter()
    .filter_map(|(name, right)| (!right).then_some(name))
    .collect();
    if wrong.is_empty() {
        return "a field of the appointment has the wrong type (title, notes or customer)".into();
    }
    format!("fields of the appointment are missing or wrong: {}", wrong.join(", "))
}

/// The subject of an appointment: the customer, or the appointment itself if it has no usable customer id.
pub(super) fn subject(source: &SourceName, appointment: &Value) -> SubjectId {
    let id = |value: Option<&Value>| match value {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let customer = id(appointment.get("customer").and_then(|c| c.get("id")))
        .and_then(|id| SubjectId::new(format!("{source}.customer.{id}")).ok());
    let own = || id(appointment.get("id")).and_then(|id| SubjectId::new(format!("{source}.appointment.{id}")).ok());
    customer.or_else(own).unwrap_or_else(|| {
        let digits = short_hash(&[source.as_str(), &appointment.to_string()], 32);
        SubjectId::new(format!("appointment.~{digits}")).expect("letters, a dot and hex digits")
    })
}

/// The delivery of a polled appointment: the same appointment at the same revision gives the same delivery id.
pub(super) fn polled(source: &SourceName, body: &str) -> Delivery {
    let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let id = value.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = match (id, value.get("revision").and_then(Value::as_u64)) {
        (Some(id), Some(revision)) => format!("poll.{id}.{revision}"),
        // It cannot be parsed, and must be reported as such, once.
        _ => format!("poll.~{}", short_hash(&[body], 32)),
    };
    Delivery { id, subject: subject(source, &value), body: body.to_owned() }
}

/// The body for moving an appointment; `None` for whole days, which USchedule does not support.
pub(super) fn reschedule(slot: &Slot) -> Option<Value> {
    match slot {
        Slot::Timed { starts_at, ends_at, zone } => {
            let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
            Some(json!({"starts_at": time(starts_at), "ends_at": time(ends_at), "time_zone": zone}))
        }
        Slot::AllDay { .. } => None,
    }
}
