//! Converts between Google's "event" resource and our remote entry. The only file that knows Google's field names.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::marker;
use crate::domain::{
    entry::{Body, Content, Marker, RemoteEntry},
    failure::CallFailure,
    ids::{Etag, RemoteId, SubjectId},
    personal::Personal,
    slot::Slot,
};

/// Title prefix of entries shown as cancelled. Google's own `cancelled` means deleted.
pub const CANCELLED_PREFIX: &str = "Cancelled: ";

/// Subject of texts in other people's entries, which are compared and never recorded.
const NOBODY: &str = "remote-entry";

/// The resource to insert.
///
/// # Errors
/// The marker is too long.
pub(super) fn resource(remote: &RemoteId, marker: &Marker, content: &Content) -> Result<Value, CallFailure> {
    let (start, end) = times(&content.slot);
    let mut resource = json!({
        "id": remote.as_str(),
        "summary": summary(content),
        "start": start,
        "end": end,
        "transparency": transparency(content),
        "extendedProperties": {"private": marker::properties(marker)?},
    });
    if !content.description.display_text().is_empty() {
        resource["description"] = json!(content.description.display_text());
    }
    Ok(resource)
}

/// The patch from `from` to `to`: only differences. `None` if there are none.
///
/// The same time in another zone is no difference: Google answers in the calendar's zone.
pub(super) fn patch(from: &Content, to: &Content) -> Option<Value> {
    let mut patch = Map::new();
    if !from.slot.same_time(&to.slot) {
        let (mut start, mut end) = times(&to.slot);
        for side in [&mut start, &mut end] {
            // A patch merges objects, so fields of the other kind of slot must be removed explicitly.
            match (&from.slot, &to.slot) {
                (Slot::Timed { .. }, Slot::AllDay { .. }) => {
                    side["dateTime"] = Value::Null;
                    side["timeZone"] = Value::Null;
                }
                (Slot::AllDay { .. }, Slot::Timed { .. }) => side["date"] = Value::Null,
                (Slot::Timed { .. }, Slot::Timed { .. }) | (Slot::AllDay { .. }, Slot::AllDay { .. }) => {}
            }
        }
        patch.insert("start".into(), start);
        patch.insert("end".into(), end);
    }
    if from.title != to.title || from.marked_cancelled != to.marked_cancelled {
        patch.insert("summary".into(), json!(summary(to)));
    }
    if from.marked_cancelled != to.marked_cancelled {
        patch.insert("transparency".into(), json!(transparency(to)));
    }
    if from.description != to.description {
        let text = to.description.display_text();
        patch.insert("description".into(), if text.is_empty() { Value::Null } else { json!(text) });
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn summary(content: &Content) -> String {
    let prefix = if content.marked_cancelled { CANCELLED_PREFIX } else { "" };
    format!("{prefix}{}", content.title.display_text())
}

fn transparency(content: &Content) -> &'static str {
    if content.marked_cancelled { "transparent" } else { "opaque" }
}

fn times(slot: &Slot) -> (Value, Value) {
    match slot {
        Slot::Timed { starts_at, ends_at, zone } => {
            let at = |instant: &DateTime<Utc>| json!({"dateTime": instant.to_rfc3339_opts(SecondsFormat::Secs, true), "timeZone": zone});
            (at(starts_at), at(ends_at))
        }
        Slot::AllDay { from, until } => (json!({"date": from.to_string()}), json!({"date": until.to_string()})),
    }
}

/// How to interpret an entry.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReadOptions<'a> {
    /// Subject of the texts, if the caller knows it. Otherwise texts of a managed entry belong to its booking's id, and
    /// are assigned to the booking's subject when recorded.
    pub subject: Option<&'a SubjectId>,
    /// The calendar's time zone, for entries without one.
    pub zone: Option<&'a str>,
}

/// The entry of a resource; `None` without id or etag.
pub(super) fn entry(resource: &Value, reading: ReadOptions<'_>) -> Option<RemoteEntry> {
    let id = RemoteId(text(resource, "id").filter(|id| !id.is_empty())?.to_owned());
    let marker = marker::read(resource);
    let deleted = text(resource, "status") == Some("cancelled");
    // Google guarantees only the id of a deleted entry.
    let etag = match text(resource, "etag") {
        Some(etag) => Etag(etag.to_owned()),
        None if deleted => Etag(String::new()),
        None => return None,
    };
    let body = if deleted {
        Body::Deleted
    } else {
        match content(resource, subject(reading, marker.as_ref()), reading.zone) {
            Ok(content) => Body::Live(content),
            Err(reason) => Body::Unreadable(reason),
        }
    };
    Some(RemoteEntry { id, etag, updated: instant(text(resource, "updated")), marker, body })
}

fn subject(reading: ReadOptions<'_>, marker: Option<&Marker>) -> SubjectId {
    let of_booking = || marker.and_then(|m| SubjectId::new(m.booking.as_str()).ok());
    reading
        .subject
        .cloned()
        .or_else(of_booking)
        .unwrap_or_else(|| SubjectId::new(NOBODY).expect("the word is made of letters"))
}

fn content(resource: &Value, subject: SubjectId, zone: Option<&str>) -> Result<Content, String> {
    let has_rule = resource.get("recurrence").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    if has_rule || resource.get("recurringEventId").is_some() {
        return Err("it recurs: a series cannot be a booking".into());
    }
    let private = matches!(text(resource, "visibility"), Some("private" | "confidential"));
    if private && resource.get("summary").is_none() && resource.get("extendedProperties").is_none() {
        return Err("its details are hidden from this account".into());
    }
    let slot = slot(resource.get("start"), resource.get("end"), zone)?;
    let (title, transparent) =
        (text(resource, "summary").unwrap_or_default(), text(resource, "transparency") == Some("transparent"));
    let (title, marked_cancelled) = match title.strip_prefix(CANCELLED_PREFIX) {
        Some(rest) if transparent => (rest, true),
        Some(_) | None => (title, false),
    };
    Ok(Content {
        slot,
        title: Personal::new(subject.clone(), title),
        description: Personal::new(subject, text(resource, "description").unwrap_or_default()),
        marked_cancelled,
    })
}

fn slot(start: Option<&Value>, end: Option<&Value>, calendar_zone: Option<&str>) -> Result<Slot, String> {
    let (Some(start), Some(end)) = (start, end) else { return Err("it has no start or no end".into()) };
    if let (Some(from), Some(until)) = (text(start, "date"), text(end, "date")) {
        let day = |text: &str| text.parse::<NaiveDate>().map_err(|_| "its day cannot be read".to_owned());
        return Slot::all_day(day(from)?, day(until)?).map_err(|error| error.to_string());
    }
    let at = |side: &Value| instant(text(side, "dateTime")).ok_or("its time cannot be read, or has no offset");
    let (starts_at, ends_at) = (at(start)?, at(end)?);
    // The instants have offsets, so without a zone only its name is lost.
    let zone = text(start, "timeZone").or(calendar_zone).unwrap_or("UTC");
    Slot::timed(starts_at, ends_at, zone).map_err(|error| error.to_string())
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn instant(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text?).ok().map(|at| at.with_timezone(&Utc))
}
