//! Start and end of an entry: checked as they come in, written the way Google gives them back.

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::errors::{error, error_saying, invalid};
use crate::ports::transport::Response;

/// An IANA zone by name.
pub(super) fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The instant a civil time means. In a gap the clock has already jumped: the time before it plus the jump. Of two
/// readings, the first.
pub(super) fn resolve(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => t.to_utc(),
        LocalResult::None => match zone.from_local_datetime(&(local - Duration::hours(3))) {
            LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => t.to_utc() + Duration::hours(3),
            LocalResult::None => local.and_utc(),
        },
    }
}

/// `start` or `end` as it will be kept: a date, or an instant in the calendar's zone to the second with a named zone.
pub(super) fn normalise(which: &str, side: Option<&Value>, calendar_zone: Tz) -> Result<Value, Response> {
    let Some(side) = side.and_then(Value::as_object) else {
        return Err(error_saying(400, "required", &format!("Missing {which} time.")));
    };
    let zone_name = side.get("timeZone").and_then(Value::as_str);
    let named = match zone_name {
        Some(name) => {
            Some(zone(name).ok_or_else(|| invalid(&format!("Invalid time zone definition for {which} time.")))?)
        }
        None => None,
    };
    let wrong = || invalid(&format!("Invalid {which} time."));
    match (text(side, "date")?, text(side, "dateTime")?) {
        (Some(date), None) => {
            let date: NaiveDate = date.parse().map_err(|_| wrong())?;
            Ok(json!({"date": date.to_string()}))
        }
        (None, Some(date_time)) => {
            let instant = match DateTime::parse_from_rfc3339(date_time) {
                Ok(t) => t.to_utc(),
                Err(_) => {
                    let local: NaiveDateTime = date_time.parse().map_err(|_| wrong())?;
                    let missing =
                        || error_saying(400, "required", &format!("Missing time zone definition for {which} time."));
                    resolve(local, named.ok_or_else(missing)?)
                }
            };
            let zone = named.unwrap_or(calendar_zone);
            Ok(json!({"dateTime": format_instant(instant, calendar_zone), "timeZone": zone.name()}))
        }
        (None, None) => Err(error_saying(400, "required", &format!("Missing {which} time."))),
        (Some(_), Some(_)) => Err(wrong()),
    }
}

fn text<'a>(side: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Response> {
    match side.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid("Invalid time.")),
    }
}

/// An instant as Google writes it: to the second, with the zone's offset.
pub(super) fn format_instant(instant: DateTime<Utc>, zone: Tz) -> String {
    instant.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The instant of a kept `start` or `end`; a date means midnight in the calendar's zone.
pub(super) fn instant(side: Option<&Value>, calendar_zone: Tz) -> Option<DateTime<Utc>> {
    let side = side?.as_object()?;
    if let Some(text) = side.get("dateTime").and_then(Value::as_str) {
        return DateTime::parse_from_rfc3339(text).ok().map(|t| t.to_utc());
    }
    let date: NaiveDate = side.get("date")?.as_str()?.parse().ok()?;
    Some(resolve(date.and_time(chrono::NaiveTime::MIN), calendar_zone))
}

/// Both sides of an entry, checked together.
pub(super) fn normalise_both(entry: &mut Map<String, Value>, calendar_zone: Tz) -> Result<(), Response> {
    let start = normalise("start", entry.get("start"), calendar_zone)?;
    let end = normalise("end", entry.get("end"), calendar_zone)?;
    if start.get("date").is_some() != end.get("date").is_some() {
        return Err(invalid("Invalid start and end time: both must be dates, or both times."));
    }
    let (from, to) = (instant(Some(&start), calendar_zone), instant(Some(&end), calendar_zone));
    if to <= from {
        return Err(error(400, "timeRangeEmpty"));
    }
    let recurs = entry.get("recurrence").and_then(Value::as_array).is_some_and(|lines| !lines.is_empty());
    let unnamed = |key: &str| {
        let side = entry.get(key).and_then(Value::as_object);
        side.is_some_and(|s| s.contains_key("dateTime") && s.get("timeZone").is_none_or(Value::is_null))
    };
    if recurs && (unnamed("start") || unnamed("end")) {
        return Err(error_saying(400, "required", "Missing time zone definition for start time."));
    }
    entry.insert("start".into(), start);
    entry.insert("end".into(), end);
    Ok(())
}

/// A query parameter that must be an RFC 3339 time with an offset.
pub(super) fn parameter(name: &str, text: &str) -> Result<DateTime<Utc>, Response> {
    DateTime::parse_from_rfc3339(text).map(|t| t.to_utc()).map_err(|_| bad_parameter(name))
}

fn bad_parameter(name: &str) -> Response {
    super::errors::bad_request(&format!("Invalid value for {name}: an RFC 3339 time with an offset is needed."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YORK: Tz = chrono_tz::America::New_York;

    #[test]
    fn instants_come_back_in_the_calendars_zone_to_the_second() {
        let side = json!({"dateTime": "2026-11-23T15:00:00.5Z"});
        assert_eq!(
            normalise("start", Some(&side), NEW_YORK).unwrap(),
            json!({"dateTime": "2026-11-23T10:00:00-05:00", "timeZone": "America/New_York"})
        );
        let side = json!({"dateTime": "2026-11-23T15:00:00", "timeZone": "Asia/Tokyo"});
        assert_eq!(
            normalise("start", Some(&side), NEW_YORK).unwrap(),
            json!({"dateTime": "2026-11-23T01:00:00-05:00", "timeZone": "Asia/Tokyo"})
        );
    }

    #[test]
    fn times_that_name_no_instant_are_refused() {
        for side in [
            json!({"dateTime": "2026-11-23T15:00:00"}),
            json!({"dateTime": "yesterday", "timeZone": "Asia/Tokyo"}),
            json!({"dateTime": "2026-11-23T15:00:00Z", "timeZone": "Mars/Olympus"}),
            json!({"dateTime": "2026-11-23T15:00:00Z", "date": "2026-11-23"}),
            json!({"date": "2026-02-30"}),
            json!({"date": 5}),
            json!({}),
        ] {
            assert_eq!(normalise("start", Some(&side), NEW_YORK).unwrap_err().status, 400, "{side}");
        }
    }

    #[test]
    fn civil_times_resolve_in_gap_and_fold() {
        let at = |text: &str| resolve(text.parse().unwrap(), NEW_YORK).to_rfc3339();
        assert_eq!(at("2026-03-08T02:30:00"), "2026-03-08T07:30:00+00:00", "shown as 3:30 daylight time");
        assert_eq!(at("2026-11-01T01:30:00"), "2026-11-01T05:30:00+00:00", "the first 1:30");
    }
}
