//! `events.list`: pages, windows, order and deltas.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    Google,
    auth::Need,
    call::Call,
    entry::{AccessRole, Calendar, Entry, etag, stamp},
    errors::{Answer, bad_request, error, invalid},
    page::{PageToken, SyncToken, decode, encode},
    when,
};
use crate::{adapters::sandbox::faults::Kind, ports::transport::Response};

/// What may not stand beside `syncToken`.
const NOT_WITH_SYNC_TOKEN: [&str; 8] = [
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];

/// What makes a listing one that no delta can follow. A window does not: the delta is of the whole calendar then.
const WITHOUT_SYNC_TOKEN: [&str; 6] =
    ["iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "updatedMin"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Making,
    Start,
    Updated,
}

/// A listing, read from its query.
struct Query<'a> {
    time_min: Option<DateTime<Utc>>,
    time_max: Option<DateTime<Utc>>,
    updated_min: Option<DateTime<Utc>>,
    show_deleted: bool,
    order: Order,
    since: Option<u64>,
    private: Vec<(&'a str, &'a str)>,
    shared: Vec<(&'a str, &'a str)>,
    text: Option<String>,
    ical_uid: Option<&'a str>,
}

impl Google {
    /// `GET /calendars/{id}/events`.
    pub(super) fn list(&mut self, call: &Call, id: &str) -> Answer {
        let calendar = self.calendar_or_404(id)?;
        if calendar.access_role == AccessRole::FreeBusyReader {
            return Err(error(404, "notFound"));
        }
        call.principal.need(Need::ReadEntries, Some(calendar))?;
        let calendar_id = calendar.id.clone();
        let zone = calendar.time_zone;
        let fingerprint = fingerprint(call);
        let query = self.query(call, &calendar_id, &fingerprint)?;
        let page = match call.target.query_value("pageToken") {
            None => None,
            Some(text) => {
                let token: Option<PageToken> = decode(text);
                let ours = token.filter(|t| t.fingerprint == whole_fingerprint(call));
                Some(ours.ok_or_else(|| invalid("Invalid page token value."))?)
            }
        };
        let size = self.page_size(call, page.as_ref())?;
        let listing = PageToken {
            fingerprint: whole_fingerprint(call),
            after: page.as_ref().map_or((i64::MIN, 0), |p| p.after),
            since: page.as_ref().map_or(self.change, |p| p.since),
            was_empty: size == 0,
        };
        let fault = self.desk.page.take();
        let calendar = self.calendar_or_404(&calendar_id)?;
        let tombstones_from = call.now - self.settings.tombstone_life;
        let mut found: Vec<((i64, u64), &Entry)> = calendar
            .entries
            .values()
            .filter(|entry| query.takes(entry, calendar, tombstones_from))
            .map(|entry| (query.key(entry, calendar), entry))
            .filter(|(key, _)| page.is_none() || *key > listing.after)
            .collect();
        found.sort_by_key(|(key, _)| *key);
        let (items, next) = cut(found, size, listing, fault);
        let items: Vec<Value> = items.into_iter().map(entry_json).collect();
        let can_follow = WITHOUT_SYNC_TOKEN.iter().all(|name| call.target.query_value(name).is_none());
        let mut body = json!({
            "kind": "calendar#events",
            "etag": etag(self.change),
            "summary": calendar.summary,
            "updated": stamp(call.now),
            "timeZone": zone.name(),
            "accessRole": calendar.access_role.name(),
            "defaultReminders": [],
            "items": items,
        });
        match next {
            Next::Page(token) => body["nextPageToken"] = json!(encode(&token)),
            Next::Nothing { since } if can_follow => {
                let generation = self.sync_generation;
                let token = SyncToken { of: calendar_id, fingerprint, since, generation, issued_at: call.now };
                body["nextSyncToken"] = json!(encode(&token));
            }
            Next::Nothing { .. } => {}
        }
        Ok(Response::json(200, &body))
    }

    fn query<'a>(&self, call: &'a Call, calendar: &str, fingerprint: &str) -> Result<Query<'a>, Response> {
        let value = |name: &str| call.target.query_value(name);
        let time = |name: &str| value(name).map(|text| when::parameter(name, text)).transpose();
        let single = call.flag("singleEvents")?.unwrap_or(false);
        let mut show_deleted = call.flag("showDeleted")?.unwrap_or(false);
        let since = match value("syncToken") {
            None => None,
            Some(text) => {
                if let Some(name) = NOT_WITH_SYNC_TOKEN.iter().find(|name| value(name).is_some()) {
                    return Err(bad_request(&format!("Sync token cannot be used with {name}.")));
                }
                if call.flag("showDeleted")? == Some(false) {
                    return Err(bad_request("Sync token cannot be used with showDeleted=false."));
                }
                show_deleted = true;
                Some(self.valid_sync_token(text, calendar, fingerprint, call.now)?.since)
            }
        };
        let order = match value("orderBy") {
            None => Order::Making,
            Some("updated") => Order::Updated,
            Some("startTime") if single => Order::Start,
            Some("startTime") => {
                return Err(bad_request("The requested ordering is not available for the particular query."));
            }
            Some(_) => return Err(invalid("Invalid string value for: orderBy")),
        };
        let (time_min, time_max) = (time("timeMin")?, time("timeMax")?);
        if time_min.zip(time_max).is_some_and(|(min, max)| max <= min) {
            return Err(error(400, "timeRangeEmpty"));
        }
        let updated_min = time("updatedMin")?;
        if updated_min.is_some_and(|min| min < call.now - self.settings.tombstone_life) {
            return Err(error(410, "updatedMinTooLongAgo"));
        }
        Ok(Query {
            time_min,
            time_max,
            updated_min,
            show_deleted,
            order,
            since,
            private: properties(call, "privateExtendedProperty")?,
            shared: properties(call, "sharedExtendedProperty")?,
            text: value("q").map(str::to_lowercase),
            ical_uid: value("iCalUID"),
        })
    }

    /// How many entries this page has: what is asked for, capped; with short pages anything down to none.
    fn page_size(&mut self, call: &Call, page: Option<&PageToken>) -> Result<usize, Response> {
        let asked = call.max_results()?.unwrap_or(250).min(self.settings.page_entries_max.max(1));
        if !self.settings.short_pages {
            return Ok(asked);
        }
        let least = u64::from(page.is_some_and(|p| p.was_empty));
        let span = asked as u64 + 1 - least;
        Ok(usize::try_from(least + self.chance() % span).unwrap_or(asked))
    }
}

fn properties<'a>(call: &'a Call, name: &'a str) -> Result<Vec<(&'a str, &'a str)>, Response> {
    let pair = |text: &'a str| text.split_once('=').ok_or_else(|| invalid(&format!("Invalid value for: {name}")));
    call.target.query_values(name).map(pair).collect()
}

/// What a sync token binds its next query to.
fn fingerprint(call: &Call) -> String {
    let names = ["singleEvents", "maxAttendees", "eventTypes", "showHiddenInvitations", "timeZone"];
    let parts = names.iter().flat_map(|name| call.target.query_values(name).map(move |v| format!("{name}={v}")));
    parts.collect::<Vec<_>>().join("&")
}

/// What a page token binds its next page to: everything but the page token and the size.
fn whole_fingerprint(call: &Call) -> String {
    let mut parts: Vec<_> = call.target.query.iter().filter(|(k, _)| k != "pageToken" && k != "maxResults").collect();
    parts.sort();
    format!("{} {parts:?}", call.target.path)
}

impl Query<'_> {
    fn takes(&self, entry: &Entry, calendar: &Calendar, tombstones_from: DateTime<Utc>) -> bool {
        if let Some(since) = self.since {
            return entry.changed > since;
        }
        if self.updated_min.is_some_and(|min| entry.changed_at < min) {
            return false;
        }
        if entry.deleted() {
            // Asked for by change time, deletions always come; otherwise on request, until they fade.
            let asked = self.show_deleted || self.updated_min.is_some();
            if !asked || entry.changed_at < tombstones_from {
                return false;
            }
        }
        let zone = calendar.time_zone;
        let in_window = self.time_min.is_none_or(|min| entry.ends_at(zone).is_some_and(|ends| ends > min))
            && self.time_max.is_none_or(|max| entry.starts_at(zone).is_some_and(|starts| starts < max));
        let words = ["summary", "description", "location"];
        in_window
            && self.private.iter().all(|(name, value)| entry.has_property("private", name, value))
            && self.shared.iter().all(|(name, value)| entry.has_property("shared", name, value))
            && self.ical_uid.is_none_or(|uid| entry.text("iCalUID") == Some(uid))
            && self.text.as_ref().is_none_or(|text| {
                words.iter().filter_map(|w| entry.text(w)).any(|w| w.to_lowercase().contains(text.as_str()))
            })
    }

    fn key(&self, entry: &Entry, calendar: &Calendar) -> (i64, u64) {
        let millis = |t: DateTime<Utc>| t.timestamp_millis();
        match self.order {
            Order::Making => (0, entry.made),
            Order::Start => (entry.starts_at(calendar.time_zone).map_or(i64::MAX, millis), entry.made),
            Order::Updated => (millis(entry.changed_at), entry.changed),
        }
    }
}

enum Next {
    Page(PageToken),
    Nothing { since: u64 },
}

/// Cuts a page off what was found, out of step where a fault says so.
fn cut(
    mut found: Vec<((i64, u64), &Entry)>,
    size: usize,
    mut listing: PageToken,
    fault: Option<Kind>,
) -> (Vec<&Entry>, Next) {
    let more = found.len() > size;
    found.truncate(size);
    let before_last = found.len().checked_sub(2).and_then(|i| found.get(i)).map(|(key, _)| *key);
    let last = found.last().map(|(key, _)| *key);
    let mut next_after = last.unwrap_or(listing.after);
    match fault {
        // A page of one that repeats itself would never end.
        Some(Kind::PageRepeats) if more => next_after = before_last.unwrap_or(next_after),
        Some(Kind::PageOmits) => {
            if let Some((_, omitted)) = found.pop() {
                // Left out of this listing altogether; the delta after it starts early enough to bring it.
                listing.since = listing.since.min(omitted.changed - 1);
            }
        }
        _ => {}
    }
    let items = found.into_iter().map(|(_, entry)| entry).collect();
    if more {
        listing.after = next_after;
        return (items, Next::Page(listing));
    }
    (items, Next::Nothing { since: listing.since })
}

fn entry_json(entry: &Entry) -> Value {
    if entry.deleted() { entry.bare() } else { Value::Object(entry.resource.clone()) }
}
