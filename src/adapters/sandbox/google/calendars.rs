//! Creates, finds and lists calendars.

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::{
    Google,
    auth::Need,
    call::Call,
    entry::{AccessRole, Calendar, etag, id_of},
    errors::{Answer, error, error_saying, invalid},
    page::{SyncToken, decode, encode},
    when,
};
use crate::ports::transport::Response;

/// Properties of a new calendar.
#[derive(Debug, Clone)]
pub struct NewCalendar {
    /// Its id, such as `bay1@group.calendar.google.com`.
    pub id: String,
    /// Its name.
    pub summary: String,
    /// Its zone.
    pub time_zone: Tz,
}

impl Google {
    /// Adds a calendar that everyone may write, owned by the caller. The first one is also `primary`.
    pub fn add_calendar(&mut self, id: &str, summary: &str, time_zone: Tz) {
        let new = NewCalendar { id: id.into(), summary: summary.into(), time_zone };
        self.put_calendar(new, false);
    }

    /// A calendar, even if deleted, to read or change its properties.
    pub fn calendar_mut(&mut self, id: &str) -> Option<&mut Calendar> {
        self.calendars.get_mut(id)
    }

    fn put_calendar(&mut self, new: NewCalendar, app_created: bool) {
        let changed = self.next_change();
        let calendar = Calendar {
            id: new.id.clone(),
            summary: new.summary,
            time_zone: new.time_zone,
            access_role: AccessRole::Owner,
            push: true,
            gone: false,
            app_created,
            changed,
            entries: std::collections::BTreeMap::new(),
        };
        self.primary.get_or_insert_with(|| new.id.clone());
        self.calendars.insert(new.id, calendar);
    }

    /// The calendar of a path, unless deleted.
    pub(super) fn find_calendar(&self, id: &str) -> Option<&Calendar> {
        let id = if id == "primary" { self.primary.as_deref()? } else { id };
        self.calendars.get(id).filter(|c| !c.gone)
    }

    /// The calendar of a path, or 404.
    pub(super) fn calendar_or_404(&self, id: &str) -> Result<&Calendar, Response> {
        self.find_calendar(id).ok_or_else(|| error(404, "notFound"))
    }

    /// `GET /calendars/{id}`.
    pub(super) fn calendar(&self, call: &Call, id: &str) -> Answer {
        let calendar = self.calendar_or_404(id)?;
        call.principal.need(Need::ReadCalendar, Some(calendar))?;
        Ok(Response::json(200, &calendar_json(calendar)))
    }

    /// `POST /calendars`.
    pub(super) fn make_calendar(&mut self, call: &Call) -> Answer {
        call.principal.need(Need::MakeCalendar, None)?;
        let body = call.object()?;
        let Some(summary) = body.get("summary").and_then(Value::as_str) else {
            return Err(error_saying(400, "required", "Missing title."));
        };
        let time_zone = match body.get("timeZone").and_then(Value::as_str) {
            Some(name) => when::zone(name).ok_or_else(|| invalid("Invalid time zone."))?,
            None => Tz::UTC,
        };
        let id = format!("c_{}@group.calendar.google.com", id_of(self.chance(), self.chance()));
        self.put_calendar(NewCalendar { id: id.clone(), summary: summary.into(), time_zone }, true);
        let calendar = self.calendar_or_404(&id)?;
        Ok(Response::json(200, &calendar_json(calendar)))
    }

    /// `GET /users/me/calendarList/{id}`.
    pub(super) fn calendar_list_entry(&self, call: &Call, id: &str) -> Answer {
        call.principal.need(Need::ListCalendars, None)?;
        Ok(Response::json(200, &self.list_entry(self.calendar_or_404(id)?)))
    }

    /// `GET /users/me/calendarList`.
    pub(super) fn calendar_list(&self, call: &Call) -> Answer {
        call.principal.need(Need::ListCalendars, None)?;
        let since = match call.target.query_value("syncToken") {
            None => 0,
            Some(text) => self.valid_sync_token(text, "calendarList", "", call.now)?.since,
        };
        let least = call.target.query_value("minAccessRole");
        let size = call.max_results()?.unwrap_or(100).min(250);
        let skip: usize = match call.target.query_value("pageToken") {
            None => 0,
            Some(text) => decode(text).ok_or_else(|| invalid("Invalid page token value."))?,
        };
        let visible: Vec<&Calendar> = self
            .calendars
            .values()
            .filter(|c| !c.gone && c.changed > since)
            .filter(|c| least.is_none_or(|least| c.access_role >= role(least)))
            .collect();
        let items: Vec<Value> = visible.iter().skip(skip).take(size).map(|c| self.list_entry(c)).collect();
        let mut body = json!({"kind": "calendar#calendarList", "etag": etag(self.change), "items": items});
        if skip + size < visible.len() {
            body["nextPageToken"] = json!(encode(&(skip + size)));
        } else {
            let token = SyncToken {
                of: "calendarList".into(),
                fingerprint: String::new(),
                since: self.change,
                generation: self.sync_generation,
                issued_at: call.now,
            };
            body["nextSyncToken"] = json!(encode(&token));
        }
        Ok(Response::json(200, &body))
    }

    fn list_entry(&self, calendar: &Calendar) -> Value {
        let mut entry = json!({
            "kind": "calendar#calendarListEntry",
            "etag": etag(calendar.changed),
            "id": calendar.id,
            "summary": calendar.summary,
            "timeZone": calendar.time_zone.name(),
            "colorId": "14",
            "selected": true,
            "accessRole": calendar.access_role.name(),
            "defaultReminders": [],
        });
        if self.primary.as_ref() == Some(&calendar.id) {
            entry["primary"] = json!(true);
        }
        entry
    }
}

fn role(name: &str) -> AccessRole {
    match name {
        "owner" => AccessRole::Owner,
        "writer" => AccessRole::Writer,
        "reader" => AccessRole::Reader,
        _ => AccessRole::FreeBusyReader,
    }
}

fn calendar_json(calendar: &Calendar) -> Value {
    json!({
        "kind": "calendar#calendar",
        "etag": etag(calendar.changed),
        "id": calendar.id,
        "summary": calendar.summary,
        "timeZone": calendar.time_zone.name(),
    })
}
