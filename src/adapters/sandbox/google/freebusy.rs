//! `freeBusy.query`: when calendars are busy, with errors per calendar.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    Google,
    auth::Need,
    call::Call,
    entry::Calendar,
    errors::{Answer, bad_request, error, error_saying},
    when,
};
use crate::ports::transport::Response;

/// The longest range of one query.
const RANGE_MAX: TimeDelta = TimeDelta::days(90);
/// The most calendars of one query.
const CALENDARS_MAX: usize = 50;

impl Google {
    /// `POST /freeBusy`.
    pub(super) fn free_busy(&mut self, call: &Call) -> Answer {
        call.principal.need(Need::FreeBusy, None)?;
        let body = call.object()?;
        let time = |name: &str| match body.get(name).and_then(Value::as_str) {
            Some(text) => when::parameter(name, text),
            None => Err(error_saying(400, "required", &format!("Missing {name}."))),
        };
        let (from, to) = (time("timeMin")?, time("timeMax")?);
        if to <= from {
            return Err(error(400, "timeRangeEmpty"));
        }
        if to - from > RANGE_MAX {
            return Err(error(400, "timeRangeTooLong"));
        }
        let items = body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let asked = body.get("calendarExpansionMax").and_then(Value::as_u64);
        let most = asked.and_then(|n| usize::try_from(n).ok()).unwrap_or(CALENDARS_MAX);
        if most > CALENDARS_MAX {
            return Err(bad_request("calendarExpansionMax must be at most 50."));
        }
        let mut calendars = Map::new();
        for (index, item) in items.iter().enumerate() {
            let Some(id) = item.get("id").and_then(Value::as_str) else { return Err(bad_request("Missing item id.")) };
            let answer = if index >= most {
                unknown("tooManyCalendarsRequested")
            } else if let Some(calendar) = self.find_calendar(id) {
                json!({"busy": busy(calendar, from, to)})
            } else {
                unknown("notFound")
            };
            calendars.insert(id.to_owned(), answer);
        }
        let text = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Millis, true);
        Ok(Response::json(
            200,
            &json!({"kind": "calendar#freeBusy", "timeMin": text(from), "timeMax": text(to), "calendars": calendars}),
        ))
    }
}

fn unknown(reason: &str) -> Value {
    json!({"errors": [{"domain": "global", "reason": reason}], "busy": []})
}

/// Busy times within the range, merged where they touch.
fn busy(calendar: &Calendar, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Value> {
    let zone = calendar.time_zone;
    let opaque = calendar.entries.values().filter(|e| !e.deleted() && e.text("transparency") != Some("transparent"));
    let mut times: Vec<_> = opaque
        .filter_map(|e| e.starts_at(zone).zip(e.ends_at(zone)))
        .filter(|(starts, ends)| *starts < to && *ends > from)
        .map(|(starts, ends)| (starts.max(from), ends.min(to)))
        .collect();
    times.sort_unstable();
    let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
    for (starts, ends) in times {
        match merged.last_mut() {
            Some(last) if starts <= last.1 => last.1 = last.1.max(ends),
            _ => merged.push((starts, ends)),
        }
    }
    let text = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
    merged.into_iter().map(|(starts, ends)| json!({"start": text(starts), "end": text(ends)})).collect()
}
