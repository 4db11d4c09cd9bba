//! Request bodies about bookings and their validation: every invalid field is named, with what to write instead.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::API_SOURCE;
use crate::{
    domain::{
        booking::{Customer, Details},
        ids::{BookingId, ResourceId, SubjectId},
        personal::Personal,
        slot::{InvalidSlot, Slot},
    },
    services::problem::{FieldError, Problem},
};

/// Maximum length of a title, name, email address or phone number, in characters.
const LINE_CHARS_MAX: usize = 500;
/// Maximum length of notes, in characters.
const NOTES_CHARS_MAX: usize = 8_000;
/// Maximum length of an id chosen by a client, in bytes.
const REFERENCE_BYTES_MAX: usize = 200;

/// A new booking.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBooking {
    /// The client's own id for it. The booking's id is `api.` plus this; if left out, one is generated, from the
    /// `Idempotency-Key` if there is one.
    #[serde(default)]
    pub id: Option<String>,
    /// Id of the resource.
    pub resource: String,
    /// Start and end.
    pub slot: SlotBody,
    /// Title, notes and customer.
    pub details: DetailsBody,
    /// Whether it is confirmed; otherwise it is tentative.
    #[serde(default)]
    pub confirmed: bool,
}

/// A time: start and end with the time zone they were chosen in, or whole days.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotBody {
    /// `timed` or `all_day`; derived from the other fields if left out.
    #[serde(default)]
    pub kind: Option<String>,
    /// Start, with UTC offset: `2026-05-01T10:00:00-05:00`.
    #[serde(default)]
    pub starts_at: Option<String>,
    /// End (exclusive), with UTC offset.
    #[serde(default)]
    pub ends_at: Option<String>,
    /// IANA time zone it was chosen in: `America/Chicago`.
    #[serde(default)]
    pub zone: Option<String>,
    /// First day: `2026-05-01`.
    #[serde(default)]
    pub from: Option<String>,
    /// Day after the last one (exclusive).
    #[serde(default)]
    pub until: Option<String>,
}

/// Title, notes and customer of a booking.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailsBody {
    /// Title.
    pub title: String,
    /// Notes, free text.
    #[serde(default)]
    pub notes: Option<String>,
    /// Customer.
    #[serde(default)]
    pub customer: Option<CustomerBody>,
}

/// A customer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerBody {
    /// The client's own id of the person, so that their data in all bookings can be erased together.
    #[serde(default)]
    pub id: Option<String>,
    /// Name.
    pub name: String,
    /// Email address.
    #[serde(default)]
    pub email: Option<String>,
    /// Phone number.
    #[serde(default)]
    pub phone: Option<String>,
}

/// Moves a booking to another resource.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reassignment {
    /// Id of the new resource.
    pub resource: String,
}

/// Changed details: fields left out stay as they are, `null` removes the value.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailsChange {
    /// New title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// New notes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Patch::is_absent")]
    #[schemars(with = "Option<String>")]
    pub notes: Patch<String>,
    /// New customer.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Patch::is_absent")]
    #[schemars(with = "Option<CustomerBody>")]
    pub customer: Patch<CustomerBody>,
}

/// A field that may be missing, `null`, or have a value.
#[derive(Debug, Default, Serialize)]
#[serde(untagged)]
pub enum Patch<T> {
    /// Not present.
    #[default]
    Keep,
    /// `null`, or this value.
    Set(Option<T>),
}

impl<T> Patch<T> {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Patch<T>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Patch::Set)
}

impl NewBooking {
    /// The validated resource, slot and details.
    ///
    /// # Errors
    /// Names every invalid field.
    pub fn checked(&self, id: &BookingId) -> Result<(ResourceId, Slot, Details), Problem> {
        let mut errors = Vec::new();
        let resource = ResourceId::new(&self.resource).map_err(|e| errors.push(wrong("resource", e.to_string())));
        let slot = self.slot.checked("slot.").map_err(|wrong| errors.extend(wrong));
        let details = self.details.checked("details.", id).map_err(|wrong| errors.extend(wrong));
        match (resource, slot, details) {
            (Ok(resource), Ok(slot), Ok(details)) => Ok((resource, slot, details)),
            _ => Err(Problem::fields(errors)),
        }
    }
}

/// Validates a client's own id of a booking.
///
/// # Errors
/// The id is empty, too long, or not a single line.
pub fn reference(id: &str) -> Result<String, Problem> {
    if id.is_empty() || id.len() > REFERENCE_BYTES_MAX || id.chars().any(char::is_control) {
        let detail = format!("must be a single line of 1 to {REFERENCE_BYTES_MAX} bytes, or left out");
        return Err(Problem::field("id", detail));
    }
    Ok(id.to_owned())
}

/// Parses an instant.
///
/// # Errors
/// It is not RFC 3339 with an offset.
pub fn instant(field: &str, text: &str) -> Result<DateTime<Utc>, FieldError> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map(|at| at.to_utc()).map_err(|_| {
        let excerpt: String = text.chars().take(40).collect();
        wrong(field, format!("{excerpt:?} is not a time with offset: write something like 2026-05-01T10:00:00-05:00"))
    })
}

fn day(field: &str, text: &str) -> Result<NaiveDate, FieldError> {
    text.parse().map_err(|_| {
        let excerpt: String = text.chars().take(40).collect();
        wrong(field, format!("{excerpt:?} is not a day: write something like 2026-05-01"))
    })
}

impl SlotBody {
    /// The validated slot. `prefix` is put before field names.
    ///
    /// # Errors
    /// The invalid fields.
    pub fn checked(&self, prefix: &str) -> Result<Slot, Vec<FieldError>> {
        let name = |field: &str| format!("{prefix}{field}");
        let days = self.from.is_some() || self.until.is_some();
        let times = self.starts_at.is_some() || self.ends_at.is_some();
        let kind = match (self.kind.as_deref(), days, times) {
            (Some("all_day"), _, false) | (None, true, false) => "all_day",
            (Some("timed") | None, false, _) => "timed",
            (Some("all_day" | "timed") | None, _, _) => {
                let detail = "needs either starts_at, ends_at and zone, or from and until";
                return Err(vec![wrong(name("kind"), detail)]);
            }
            (Some(_), _, _) => return Err(vec![wrong(name("kind"), "must be timed or all_day, or left out")]),
        };
        let given = |field: &'static str, value: &Option<String>| {
            value.clone().ok_or_else(|| wrong(name(field), format!("is required if kind is {kind}")))
        };
        if kind == "all_day" {
            let from = given("from", &self.from).and_then(|text| day(&name("from"), &text));
            let until = given("until", &self.until).and_then(|text| day(&name("until"), &text));
            let (from, until) = both(from, until)?;
            return Slot::all_day(from, until).map_err(|e| vec![of_slot(&e, &name("until"), &name("zone"))]);
        }
        let zone = given("zone", &self.zone);
        let starts_at = given("starts_at", &self.starts_at).and_then(|text| instant(&name("starts_at"), &text));
        let ends_at = given("ends_at", &self.ends_at).and_then(|text| instant(&name("ends_at"), &text));
        let ((starts_at, ends_at), zone) = match (both(starts_at, ends_at), zone) {
            (Ok(times), Ok(zone)) => (times, zone),
            (times, zone) => {
                return Err(times.err().into_iter().flatten().chain(zone.err()).collect());
            }
        };
        Slot::timed(starts_at, ends_at, &zone).map_err(|e| vec![of_slot(&e, &name("ends_at"), &name("zone"))])
    }
}

fn of_slot(error: &InvalidSlot, end: &str, zone: &str) -> FieldError {
    let field = if matches!(error, InvalidSlot::UnknownZone(_)) { zone } else { end };
    wrong(field, error.to_string())
}

fn both<A, B>(a: Result<A, FieldError>, b: Result<B, FieldError>) -> Result<(A, B), Vec<FieldError>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => Err(a.err().into_iter().chain(b.err()).collect()),
    }
}

impl DetailsBody {
    fn checked(&self, prefix: &str, id: &BookingId) -> Result<Details, Vec<FieldError>> {
        let mut errors = Vec::new();
        let subject = self.customer.as_ref().and_then(|c| c.subject(prefix, &mut errors));
        let Some(subject) = subject.or_else(|| SubjectId::new(id.as_str()).ok()) else {
            return Err(errors);
        };
        line(&mut errors, &format!("{prefix}title"), Some(&self.title));
        text(&mut errors, &format!("{prefix}notes"), self.notes.as_deref());
        let customer = self.customer.as_ref().map(|c| c.checked(prefix, &subject, &mut errors));
        let notes = self.notes.as_ref().map(|notes| Personal::new(subject.clone(), notes));
        let details = Details { title: Personal::new(subject, &self.title), notes, customer };
        if errors.is_empty() { Ok(details) } else { Err(errors) }
    }
}

impl CustomerBody {
    fn subject(&self, prefix: &str, errors: &mut Vec<FieldError>) -> Option<SubjectId> {
        let id = self.id.as_ref()?;
        match SubjectId::new(format!("{API_SOURCE}.customer.{id}")) {
            Ok(subject) => Some(subject),
            Err(_) => {
                let detail = "must be 1 to 140 characters of A-Z a-z 0-9 . _ ~ @ -, or left out";
                errors.push(wrong(format!("{prefix}customer.id"), detail));
                None
            }
        }
    }

    fn checked(&self, prefix: &str, subject: &SubjectId, errors: &mut Vec<FieldError>) -> Customer {
        line(errors, &format!("{prefix}customer.name"), Some(&self.name));
        line(errors, &format!("{prefix}customer.email"), self.email.as_deref());
        line(errors, &format!("{prefix}customer.phone"), self.phone.as_deref());
        let personal = |text: &String| Personal::new(subject.clone(), text);
        Customer {
            name: personal(&self.name),
            email: self.email.as_ref().map(personal),
            phone: self.phone.as_ref().map(personal),
        }
    }
}

impl DetailsChange {
    /// The details after the change.
    ///
    /// # Errors
    /// The invalid fields.
    pub fn applied(&self, known: &Details) -> Result<Details, Problem> {
        let mut errors = Vec::new();
        let named_subject = match &self.customer {
            Patch::Set(Some(customer)) => customer.subject("", &mut errors),
            Patch::Set(None) | Patch::Keep => None,
        };
        let subject = named_subject.unwrap_or_else(|| known.title.subject.clone());
        line(&mut errors, "title", self.title.as_deref());
        let personal = |text: &String| Personal::new(subject.clone(), text);
        let notes = match &self.notes {
            Patch::Keep => known.notes.clone(),
            Patch::Set(notes) => {
                text(&mut errors, "notes", notes.as_deref());
                notes.as_ref().map(personal)
            }
        };
        let customer = match &self.customer {
            Patch::Keep => known.customer.clone(),
            Patch::Set(customer) => customer.as_ref().map(|c| c.checked("", &subject, &mut errors)),
        };
        let title = self.title.as_ref().map_or_else(|| known.title.clone(), personal);
        if errors.is_empty() { Ok(Details { title, notes, customer }) } else { Err(Problem::fields(errors)) }
    }
}

/// Validates a single line of text.
fn line(errors: &mut Vec<FieldError>, field: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    if value.trim().is_empty() || value.chars().count() > LINE_CHARS_MAX || value.chars().any(char::is_control) {
        errors.push(wrong(field, format!("must be a single line of 1 to {LINE_CHARS_MAX} characters")));
    }
}

/// Validates a longer text.
fn text(errors: &mut Vec<FieldError>, field: &str, value: Option<&str>) {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if value.is_some_and(|text| text.chars().count() > NOTES_CHARS_MAX || text.chars().any(odd)) {
        let detail = format!("must be at most {NOTES_CHARS_MAX} characters, without control characters");
        errors.push(wrong(field, detail));
    }
}

fn wrong(field: impl Into<String>, detail: impl Into<String>) -> FieldError {
    FieldError { field: field.into(), detail: detail.into() }
}
