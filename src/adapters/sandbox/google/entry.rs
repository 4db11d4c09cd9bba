//! A calendar's entries as stored by Google: JSON resources with the fields added by the server.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{errors::invalid, when};
use crate::ports::transport::Response;

/// What the caller may do with a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccessRole {
    /// May only see busy times.
    FreeBusyReader,
    /// Reads entries.
    Reader,
    /// Writes entries.
    Writer,
    /// Owns it.
    Owner,
}

impl AccessRole {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FreeBusyReader => "freeBusyReader",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }
}

/// A calendar and its entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Calendar {
    /// Its id.
    pub id: String,
    /// Its name.
    pub summary: String,
    /// Its zone.
    pub time_zone: Tz,
    /// What callers may do with it.
    pub access_role: AccessRole,
    /// Whether it can be watched.
    pub push: bool,
    /// Whether it was deleted: every call on it gives 404.
    pub gone: bool,
    /// Whether it was created with this API, so that `calendar.app.created` covers it.
    pub(super) app_created: bool,
    /// When it last changed itself.
    pub(super) changed: u64,
    pub(super) entries: BTreeMap<String, Entry>,
}

/// One entry: its resource, and its place in the order of changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub resource: Map<String, Value>,
    /// The change that made it: the order of a plain listing.
    pub made: u64,
    /// The latest change to it.
    pub changed: u64,
    pub changed_at: DateTime<Utc>,
}

impl Entry {
    pub fn deleted(&self) -> bool {
        self.text("status") == Some("cancelled")
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.resource.get(key).and_then(Value::as_str)
    }

    pub fn starts_at(&self, zone: Tz) -> Option<DateTime<Utc>> {
        when::instant(self.resource.get("start"), zone)
    }

    pub fn ends_at(&self, zone: Tz) -> Option<DateTime<Utc>> {
        when::instant(self.resource.get("end"), zone)
    }

    /// Whether it carries `name=value` among its `private` or `shared` properties.
    pub fn has_property(&self, kind: &str, name: &str, value: &str) -> bool {
        let properties = self.resource.get("extendedProperties").and_then(|p| p.get(kind));
        properties.and_then(|p| p.get(name)).and_then(Value::as_str) == Some(value)
    }

    /// A deleted entry in a listing: Google guarantees only its id.
    pub fn bare(&self) -> Value {
        let mut bare = Map::new();
        for key in ["kind", "etag", "id", "status"] {
            bare.insert(key.into(), self.resource.get(key).cloned().unwrap_or(Value::Null));
        }
        Value::Object(bare)
    }
}

/// The fields a caller may set; whatever else a body carries is ignored, as Google does.
const WRITABLE: [&str; 27] = [
    "anyoneCanAddSelf",
    "attachments",
    "attendees",
    "attendeesOmitted",
    "colorId",
    "conferenceData",
    "description",
    "end",
    "eventType",
    "extendedProperties",
    "focusTimeProperties",
    "gadget",
    "guestsCanInviteOthers",
    "guestsCanModify",
    "guestsCanSeeOtherGuests",
    "location",
    "outOfOfficeProperties",
    "recurrence",
    "reminders",
    "sequence",
    "source",
    "start",
    "status",
    "summary",
    "transparency",
    "visibility",
    "workingLocationProperties",
];

/// The fields of a body that may be set.
pub(super) fn writable_part(body: &Map<String, Value>) -> Map<String, Value> {
    body.iter().filter(|(key, _)| WRITABLE.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Applies `patch`: objects merge, arrays and values replace, `null` removes.
pub(super) fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(&key);
            }
            Value::Object(inner) => {
                let slot = target.entry(key).or_insert_with(|| json!({}));
                if !slot.is_object() {
                    *slot = json!({});
                }
                if let Value::Object(slot) = slot {
                    merge(slot, inner);
                }
            }
            other => {
                target.insert(key, other);
            }
        }
    }
}

/// The longest key and value of an extended property. Longer keys are dropped and longer values cut, silently.
const PROPERTY_KEY_CHARS_MAX: usize = 44;
const PROPERTY_VALUE_CHARS_MAX: usize = 1024;

/// Validates a whole entry and normalises it like Google.
pub(super) fn settle(entry: &mut Map<String, Value>, zone: Tz) -> Result<(), Response> {
    let allowed = [
        ("status", &["confirmed", "tentative", "cancelled"][..]),
        ("transparency", &["opaque", "transparent"][..]),
        ("visibility", &["default", "public", "private", "confidential"][..]),
    ];
    for (key, values) in allowed {
        match entry.get(key) {
            None => {}
            Some(Value::String(value)) if values.contains(&value.as_str()) => {}
            Some(_) => return Err(invalid(&format!("Invalid value for: {key}"))),
        }
    }
    for key in ["summary", "description", "location"] {
        if entry.get(key).is_some_and(|value| !value.is_string()) {
            return Err(invalid(&format!("Invalid value for: {key}")));
        }
    }
    for line in entry.get("recurrence").and_then(Value::as_array).into_iter().flatten() {
        let known = ["RRULE", "EXRULE", "RDATE", "EXDATE"];
        if !line.as_str().is_some_and(|l| known.iter().any(|k| l.starts_with(k))) {
            return Err(invalid("Invalid recurrence rule."));
        }
    }
    settle_properties(entry)?;
    when::normalise_both(entry, zone)
}

fn settle_properties(entry: &mut Map<String, Value>) -> Result<(), Response> {
    let wrong = || invalid("Invalid value for: extendedProperties");
    let Some(properties) = entry.get_mut("extendedProperties") else { return Ok(()) };
    let properties = properties.as_object_mut().ok_or_else(wrong)?;
    for kind in ["private", "shared"] {
        let Some(values) = properties.get_mut(kind) else { continue };
        let values = values.as_object_mut().ok_or_else(wrong)?;
        values.retain(|key, _| key.chars().count() <= PROPERTY_KEY_CHARS_MAX);
        for value in values.values_mut() {
            let text = value.as_str().ok_or_else(wrong)?;
            *value = Value::String(text.chars().take(PROPERTY_VALUE_CHARS_MAX).collect());
        }
    }
    properties.retain(|_, values| values.as_object().is_none_or(|v| !v.is_empty()));
    if properties.is_empty() {
        entry.remove("extendedProperties");
    }
    Ok(())
}

/// Whether `id` may be chosen by a caller: base32hex in lower case, 5 to 1024 characters.
pub(super) fn usable_id(id: &str) -> bool {
    (5..=1024).contains(&id.len()) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v'))
}

/// 26 base32hex characters made of two numbers.
pub(super) fn id_of(high: u64, low: u64) -> String {
    let bits = (u128::from(high) << 64) | u128::from(low);
    let digit = |i: u32| char::from_digit(((bits >> (5 * i)) & 31) as u32, 32).unwrap_or('0');
    (0..26).map(digit).collect()
}

/// An etag, different for every change.
pub(super) fn etag(change: u64) -> Value {
    Value::String(format!("\"{}\"", 3_560_000_000_000_000_u64 + change * 2))
}

/// A time as in `created` and `updated`: to the millisecond.
pub(super) fn stamp(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}
