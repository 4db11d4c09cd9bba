//! One entry at a time: get, insert, patch, update, delete.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    Google,
    auth::Need,
    call::Call,
    entry::{AccessRole, Calendar, Entry, etag, id_of, merge, settle, stamp, usable_id, writable_part},
    errors::{Answer, error, invalid},
};
use crate::ports::transport::Response;

/// Fields that an update does not clear.
const KEPT_BY_UPDATE: [&str; 10] =
    ["kind", "id", "htmlLink", "created", "creator", "organizer", "iCalUID", "sequence", "eventType", "conferenceData"];

impl Google {
    /// `GET …/events/{id}`. A deleted entry is returned as cancelled.
    pub(super) fn get(&self, call: &Call, calendar: &str, id: &str) -> Answer {
        let calendar = self.calendar_or_404(calendar)?;
        if calendar.access_role == AccessRole::FreeBusyReader {
            return Err(error(404, "notFound"));
        }
        call.principal.need(Need::ReadEntries, Some(calendar))?;
        let entry = entry_or_404(calendar, id)?;
        if call.request.header_value("if-none-match").is_some_and(|etag| Some(etag) == entry.text("etag")) {
            return Ok(Response::empty(304));
        }
        Ok(answer(entry))
    }

    /// `POST …/events`.
    pub(super) fn insert(&mut self, call: &Call, calendar: &str) -> Answer {
        let (calendar_id, zone) = self.writable_calendar(call, calendar)?;
        let body = call.object()?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let id = match body.get("id") {
            None | Some(Value::Null) => id_of(self.chance(), self.chance()),
            Some(Value::String(id)) if usable_id(id) => id.clone(),
            Some(_) => return Err(invalid("Invalid resource id value.")),
        };
        if text("id").is_some() && text("iCalUID").is_some() {
            return Err(invalid("Only one of id and iCalUID may be given."));
        }
        let ical_uid = text("iCalUID").unwrap_or_else(|| format!("{id}@google.com"));
        let entries = &self.calendar_or_404(&calendar_id)?.entries;
        if entries.contains_key(&id) || entries.values().any(|e| e.text("iCalUID") == Some(&ical_uid)) {
            return Err(error(409, "duplicate"));
        }
        let mut resource = call.settable(&body)?;
        resource.retain(|_, value| !value.is_null());
        if resource.get("status").and_then(Value::as_str) == Some("cancelled") {
            return Err(invalid("Invalid value for: status"));
        }
        settle(&mut resource, zone)?;
        let now = call.now;
        self.add_entry(&calendar_id, id, &ical_uid, resource, now)
    }

    /// Adds a normalised resource to a calendar as a new entry.
    pub(super) fn add_entry(
        &mut self,
        calendar: &str,
        id: String,
        ical_uid: &str,
        settled: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Answer {
        let mut resource = json!({
            "kind": "calendar#event",
            "id": id,
            "status": "confirmed",
            "htmlLink": format!("https://www.google.com/calendar/event?eid={id}"),
            "created": stamp(now),
            "creator": {"email": "someone@sandbox.example"},
            "organizer": {"email": calendar, "self": true},
            "iCalUID": ical_uid,
            "sequence": 0,
            "reminders": {"useDefault": true},
            "eventType": "default",
        });
        if let Value::Object(resource) = &mut resource {
            resource.extend(settled);
            let entry =
                Entry { resource: std::mem::take(resource), made: self.change + 1, changed: 0, changed_at: now };
            self.keep(calendar, &id, entry, now);
        }
        Ok(answer(entry_or_404(self.calendar_or_404(calendar)?, &id)?))
    }

    /// `PATCH …/events/{id}`: merges; a cancelled entry stays so unless the patch says otherwise.
    pub(super) fn patch(&mut self, call: &Call, calendar: &str, id: &str) -> Answer {
        let (calendar_id, _) = self.writable_calendar(call, calendar)?;
        let patch = call.settable(&call.object()?)?;
        let before = entry_or_404(self.calendar_or_404(&calendar_id)?, id)?.clone();
        call.check_match(&before)?;
        let mut resource = before.resource.clone();
        merge(&mut resource, patch);
        self.replace(call, &calendar_id, before, resource)
    }

    /// `PUT …/events/{id}`: fields missing from the body are cleared; a cancelled entry is restored unless the body says otherwise.
    pub(super) fn update(&mut self, call: &Call, calendar: &str, id: &str) -> Answer {
        let (calendar_id, _) = self.writable_calendar(call, calendar)?;
        let body = call.settable(&call.object()?)?;
        let before = entry_or_404(self.calendar_or_404(&calendar_id)?, id)?.clone();
        call.check_match(&before)?;
        let mut resource = before.resource.clone();
        resource.retain(|key, _| KEPT_BY_UPDATE.contains(&key.as_str()));
        resource.insert("status".into(), json!("confirmed"));
        resource.insert("reminders".into(), json!({"useDefault": true}));
        resource.extend(body.into_iter().filter(|(_, value)| !value.is_null()));
        self.replace(call, &calendar_id, before, resource)
    }

    /// Replaces an entry's resource.
    fn replace(&mut self, call: &Call, calendar: &str, before: Entry, mut resource: Map<String, Value>) -> Answer {
        let zone = self.calendar_or_404(calendar)?.time_zone;
        resource.entry("status").or_insert_with(|| json!("confirmed"));
        settle(&mut resource, zone)?;
        let sequence = |r: &Map<String, Value>| r.get("sequence").and_then(Value::as_i64).unwrap_or(0);
        let (old, new) = (sequence(&before.resource), sequence(&resource));
        if new < old {
            return Err(invalid(
                "Invalid sequence value. The specified sequence number is below the current sequence number of the \
                 resource. Re-fetch the resource and use its sequence number on the following request.",
            ));
        }
        let moved = ["start", "end", "status"].iter().any(|key| before.resource.get(*key) != resource.get(*key));
        if moved {
            resource.insert("sequence".into(), json!(new.max(old + 1)));
        }
        let id = before.text("id").unwrap_or_default().to_owned();
        self.keep(calendar, &id, Entry { resource, ..before }, call.now);
        Ok(answer(entry_or_404(self.calendar_or_404(calendar)?, &id)?))
    }

    /// `DELETE …/events/{id}`.
    pub(super) fn delete(&mut self, call: &Call, calendar: &str, id: &str) -> Answer {
        let (calendar_id, _) = self.writable_calendar(call, calendar)?;
        let entry = entry_or_404(self.calendar_or_404(&calendar_id)?, id)?;
        if entry.deleted() {
            return Err(error(410, "deleted"));
        }
        call.check_match(entry)?;
        self.bury(&calendar_id, id, call.now);
        Ok(Response::empty(204))
    }

    /// Turns an entry into its tombstone.
    pub(super) fn bury(&mut self, calendar: &str, id: &str, now: DateTime<Utc>) {
        let found = self.calendars.get(calendar).and_then(|c| c.entries.get(id));
        let Some(mut entry) = found.cloned() else { return };
        let sequence = entry.resource.get("sequence").and_then(Value::as_i64).unwrap_or(0);
        entry.resource.insert("status".into(), json!("cancelled"));
        entry.resource.insert("sequence".into(), json!(sequence + 1));
        self.keep(calendar, id, entry, now);
    }

    /// Stores an entry's new state and notifies channels. The only way to change an entry.
    pub(super) fn keep(&mut self, calendar: &str, id: &str, mut entry: Entry, now: DateTime<Utc>) {
        let change = self.next_change();
        entry.changed = change;
        entry.changed_at = now;
        entry.resource.insert("etag".into(), etag(change));
        entry.resource.insert("updated".into(), stamp(now));
        if let Some(calendar) = self.calendars.get_mut(calendar) {
            calendar.entries.insert(id.to_owned(), entry);
        }
        self.notify(calendar, now);
    }

    /// The calendar's real id and zone, if the caller may write to it.
    fn writable_calendar(&self, call: &Call, id: &str) -> Result<(String, chrono_tz::Tz), Response> {
        let calendar = self.calendar_or_404(id)?;
        call.principal.need(Need::WriteEntries, Some(calendar))?;
        if calendar.access_role < AccessRole::Writer {
            return Err(error(403, "requiredAccessLevel"));
        }
        call.check_send_updates()?;
        Ok((calendar.id.clone(), calendar.time_zone))
    }
}

impl Call<'_> {
    /// The fields of a body that this caller may set.
    fn settable(&self, body: &Map<String, Value>) -> Result<Map<String, Value>, Response> {
        let mut part = writable_part(body);
        let invites = part.get("attendees").and_then(Value::as_array).is_some_and(|a| !a.is_empty());
        // A service account without delegation may not invite anyone.
        if invites && self.principal.service_account {
            return Err(error(403, "forbiddenForServiceAccounts"));
        }
        if self.target.query_value("conferenceDataVersion") != Some("1") {
            part.remove("conferenceData");
        } else if let Some(Value::Object(request)) =
            part.get_mut("conferenceData").and_then(|c| c.get_mut("createRequest"))
        {
            request.insert("status".into(), json!({"statusCode": "success"}));
        }
        Ok(part)
    }
}

fn entry_or_404<'a>(calendar: &'a Calendar, id: &str) -> Result<&'a Entry, Response> {
    calendar.entries.get(id).ok_or_else(|| error(404, "notFound"))
}

/// The response with an entry, and its etag in the header.
fn answer(entry: &Entry) -> Response {
    let mut response = Response::json(200, &Value::Object(entry.resource.clone()));
    response.headers.push(("etag".into(), entry.text("etag").unwrap_or_default().to_owned()));
    response
}
