//! The fields of a booking in a row or an object, and their conversion to a booking.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

use super::{NOTES_BYTES_MAX, Options, REF_BYTES_MAX, Refusal, TITLE_BYTES_MAX, excerpt, resource};
use crate::domain::{
    booking::{Customer, Details, Snapshot},
    ids::{SourceName, SubjectId, short_hash},
    personal::Personal,
    slot::Slot,
};

/// Title of a booking without one.
pub(super) const UNTITLED: &str = "(untitled)";

/// All field names, in the order of the manual.
pub(super) const NAMES: [&str; 11] = [
    "id",
    "resource",
    "starts_at",
    "ends_at",
    "zone",
    "title",
    "notes",
    "customer_name",
    "customer_email",
    "customer_phone",
    "status",
];

/// A booking's fields as written. Empty text counts as missing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(default, deserialize_with = "text_or_number")]
    pub id: Option<String>,
    pub resource: Option<String>,
    pub starts_at: Option<String>,
    pub ends_at: Option<String>,
    pub zone: Option<String>,
    pub title: Option<String>,
    pub notes: Option<String>,
    pub customer_name: Option<String>,
    pub customer_email: Option<String>,
    pub customer_phone: Option<String>,
    pub status: Option<String>,
}

/// Many systems number their bookings, and JSON writes numbers without quotes.
fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "id must be a text or a whole number")]
    enum Id {
        Number(u64),
        Text(String),
    }
    Ok(Option::<Id>::deserialize(from)?.map(|id| match id {
        Id::Number(number) => number.to_string(),
        Id::Text(text) => text,
    }))
}

impl Fields {
    /// The field with this name.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "id" => &mut self.id,
            "resource" => &mut self.resource,
            "starts_at" => &mut self.starts_at,
            "ends_at" => &mut self.ends_at,
            "zone" => &mut self.zone,
            "title" => &mut self.title,
            "notes" => &mut self.notes,
            "customer_name" => &mut self.customer_name,
            "customer_email" => &mut self.customer_email,
            "customer_phone" => &mut self.customer_phone,
            "status" => &mut self.status,
            _ => return None,
        })
    }

    /// Converts them to a booking.
    pub(super) fn snapshot(self, options: &Options) -> Result<Snapshot, Refusal> {
        let given =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let id = given(&self.id).ok_or_else(|| Refusal::because("it has no id"))?;
        let (confirmed, cancelled) = status(given(&self.status).as_deref())?;
        let slot = slot(
            given(&self.starts_at).as_deref(),
            given(&self.ends_at).as_deref(),
            given(&self.zone).as_deref(),
            options,
        )?;
        let words = PersonalTexts {
            title: given(&self.title),
            notes: given(&self.notes),
            customer_name: given(&self.customer_name),
            customer_email: given(&self.customer_email),
            customer_phone: given(&self.customer_phone),
        };
        Ok(Snapshot {
            source: options.source.clone(),
            resource: resource(self.resource.as_deref(), options)?,
            slot,
            details: words.details(&options.source, &id)?,
            source_ref: source_ref(id)?,
            confirmed,
            cancelled,
        })
    }
}

/// Title, notes and customer of a booking, before a subject is assigned.
#[derive(Debug, Clone, Default)]
pub(super) struct PersonalTexts {
    pub title: Option<String>,
    pub notes: Option<String>,
    pub customer_name: Option<String>,
    pub customer_email: Option<String>,
    pub customer_phone: Option<String>,
}

impl PersonalTexts {
    /// Assigns them to one subject: the customer, if an email address identifies them, otherwise the booking.
    pub(super) fn details(self, source: &SourceName, source_ref: &str) -> Result<Details, Refusal> {
        let subject = match self.customer_email.as_deref() {
            Some(email) => format!("import.customer.{}", short_hash(&[&email.to_lowercase()], 16)),
            None => format!("import.booking.{}", short_hash(&[source.as_str(), source_ref], 16)),
        };
        let subject = SubjectId::new(subject).expect("hex digits after a fixed beginning are usable");
        let personal = |what, text: String, bytes_max| {
            if text.len() > bytes_max {
                return Err(Refusal::because(format!("its {what} is longer than {bytes_max} bytes")));
            }
            Ok(Personal::new(subject.clone(), text))
        };
        let short = |what, text: Option<String>| text.map(|text| personal(what, text, TITLE_BYTES_MAX)).transpose();
        let email = short("customer_email", self.customer_email)?;
        let phone = short("customer_phone", self.customer_phone)?;
        let name = short("customer_name", self.customer_name)?
            .or_else(|| email.clone())
            .or_else(|| phone.as_ref().map(|_| Personal::new(subject.clone(), "(no name)")));
        Ok(Details {
            title: personal("title", self.title.unwrap_or_else(|| UNTITLED.to_owned()), TITLE_BYTES_MAX)?,
            notes: self.notes.map(|text| personal("notes", text, NOTES_BYTES_MAX)).transpose()?,
            customer: name.map(|name| Customer { name, email, phone }),
        })
    }
}

/// Validates an id or UID as the source's id.
pub(super) fn source_ref(id: String) -> Result<String, Refusal> {
    if id.len() > REF_BYTES_MAX {
        return Err(Refusal::because(format!("its id is longer than {REF_BYTES_MAX} bytes")));
    }
    if id.chars().any(char::is_control) {
        return Err(Refusal::because("its id has control characters"));
    }
    Ok(id)
}

/// Whether a booking is confirmed, and whether it is cancelled.
fn status(word: Option<&str>) -> Result<(bool, bool), Refusal> {
    match word.map(str::to_ascii_lowercase).as_deref() {
        None | Some("confirmed") => Ok((true, false)),
        Some("tentative") => Ok((false, false)),
        Some("cancelled" | "canceled") => Ok((true, true)),
        Some(other) => {
            Err(Refusal::because(format!("status {:?} must be confirmed, tentative or cancelled", excerpt(other))))
        }
    }
}

/// A parsed time.
enum TimeText {
    Day(NaiveDate),
    Civil(NaiveDateTime),
    Instant(DateTime<Utc>),
}

fn slot(starts: Option<&str>, ends: Option<&str>, zone: Option<&str>, options: &Options) -> Result<Slot, Refusal> {
    let named = match zone {
        Some(name) => Some(name.parse::<Tz>().map_err(|_| {
            Refusal::because(format!("zone {:?} is not an IANA time zone such as Europe/Berlin", excerpt(name)))
        })?),
        None => options.zone,
    };
    let starts = time_text("starts_at", starts.ok_or_else(|| Refusal::because("it has no starts_at"))?)?;
    let ends = ends.map(|text| time_text("ends_at", text)).transpose()?;
    let slot = match (starts, ends) {
        (TimeText::Day(from), None) => Slot::all_day(from, from.succ_opt().unwrap_or(from)),
        (TimeText::Day(from), Some(TimeText::Day(until))) => Slot::all_day(from, until),
        (TimeText::Day(_), Some(_)) | (TimeText::Civil(_) | TimeText::Instant(_), Some(TimeText::Day(_))) => {
            return Err(Refusal::because("starts_at and ends_at must both be days or both be times"));
        }
        (TimeText::Civil(_) | TimeText::Instant(_), None) => {
            return Err(Refusal::because("it has no ends_at: a booking needs a length"));
        }
        (starts, Some(ends)) => {
            let (starts, ends) = (instant("starts_at", &starts, named)?, instant("ends_at", &ends, named)?);
            Slot::timed(starts, ends, named.unwrap_or(Tz::UTC).name())
        }
    };
    slot.map_err(|wrong| Refusal::because(wrong.to_string()))
}

fn time_text(field: &str, text: &str) -> Result<TimeText, Refusal> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(TimeText::Instant(at.to_utc()));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(TimeText::Day(day));
    }
    ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(TimeText::Civil)
        .ok_or_else(|| {
            Refusal::because(format!(
                "{field} {:?} is not a time such as 2025-07-01T18:30:00+02:00, 2025-07-01 18:30 (with a zone) or 2025-07-01",
                excerpt(text)
            ))
        })
}

fn instant(field: &str, written: &TimeText, zone: Option<Tz>) -> Result<DateTime<Utc>, Refusal> {
    let civil = match written {
        TimeText::Instant(at) => return Ok(*at),
        TimeText::Day(day) => day.and_time(chrono::NaiveTime::MIN),
        TimeText::Civil(civil) => *civil,
    };
    let Some(zone) = zone else {
        return Err(Refusal::because(format!("{field} has neither an offset nor a time zone: pass one with --zone")));
    };
    match zone.from_local_datetime(&civil) {
        chrono::LocalResult::Single(at) => Ok(at.to_utc()),
        chrono::LocalResult::None => Err(Refusal::because(format!(
            "{field}: {civil} does not exist in {zone}, because clocks are put forward then"
        ))),
        chrono::LocalResult::Ambiguous(first, second) => Err(Refusal::because(format!(
            "{field}: {civil} occurs twice in {zone}, because clocks are put back then; write {} or {}",
            first.to_rfc3339(),
            second.to_rfc3339()
        ))),
    }
}
