//! Finds the IANA zone of a `TZID`: by its name, by other names given in the file, or by the offsets that the file
//! defines. Never by guessing: other zones are refused.

use std::collections::BTreeMap;

use calcard::{
    common::{PartialDateTime, timezone::Tz as Found},
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType as Type, ICalendarProperty as Property, ICalendarValue,
        timezone::TzResolver,
    },
};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::rule::{Rule, Work};
use crate::adapters::files::excerpt;

/// Tried first, so that offsets shared by many zones get the best-known name.
const KNOWN: [Tz; 22] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::Europe__London,
    Tz::Europe__Athens,
    Tz::Europe__Moscow,
    Tz::America__New_York,
    Tz::America__Chicago,
    Tz::America__Denver,
    Tz::America__Phoenix,
    Tz::America__Los_Angeles,
    Tz::America__Anchorage,
    Tz::America__Halifax,
    Tz::America__Sao_Paulo,
    Tz::Asia__Tokyo,
    Tz::Asia__Shanghai,
    Tz::Asia__Kolkata,
    Tz::Asia__Dubai,
    Tz::Asia__Singapore,
    Tz::Australia__Sydney,
    Tz::Australia__Brisbane,
    Tz::Australia__Adelaide,
    Tz::Pacific__Auckland,
];

/// The time zones of one file.
pub(super) struct Zones<'x> {
    file: &'x ICalendar,
    named: TzResolver<String>,
    /// Time zone of times without one.
    pub default: Option<Tz>,
    known: BTreeMap<(String, i32), Result<ResolvedZone, String>>,
}

/// The zone of a name, and a note about it.
#[derive(Debug, Clone)]
pub(super) struct ResolvedZone {
    pub zone: Tz,
    pub note: Option<String>,
}

impl<'x> Zones<'x> {
    pub(super) fn new(file: &'x ICalendar, default: Option<Tz>) -> Self {
        Self { file, named: file.build_owned_tz_resolver(), default, known: BTreeMap::new() }
    }

    /// The zone of `name` for times in `year`.
    pub(super) fn resolve(&mut self, name: &str, year: i32, work: &mut Work) -> Result<ResolvedZone, String> {
        let key = (name.to_owned(), year);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.find(name, year, work);
        self.known.insert(key, found.clone());
        found
    }

    fn find(&self, name: &str, year: i32, work: &mut Work) -> Result<ResolvedZone, String> {
        if let Ok(zone) = name.parse::<Tz>() {
            return Ok(ResolvedZone { zone, note: None });
        }
        if let Some(zone) = self.named.resolve(name).and_then(iana).or_else(|| below_prefix(name)) {
            return Ok(ResolvedZone {
                zone,
                note: Some(format!("time zone {:?} is interpreted as {zone}", excerpt(name))),
            });
        }
        let unknown = || format!("unknown time zone {:?}", excerpt(name));
        let definition =
            self.definition(name).ok_or_else(|| format!("{}, and the file does not define it", unknown()))?;
        let offsets = Offsets::read(self.file, definition, year, work).map_err(|wrong| {
            format!("{}, and the file's own definition of it could not be read: {wrong}", unknown())
        })?;
        let named = excerpt(name);
        if let Some(zone) = offsets.zone(self.default, TimeDelta::zero()) {
            let note =
                format!("time zone {named:?} is interpreted as {zone}, which has the offsets defined in the file");
            return Ok(ResolvedZone { zone, note: Some(note) });
        }
        // Lotus Notes writes the hour of the change in the wrong offset, so that it comes an hour early.
        let zone = offsets.zone(self.default, TimeDelta::hours(12)).ok_or_else(|| {
            format!("{}, and no zone has the offsets defined for it in the file in {year}", unknown())
        })?;
        let note = format!(
            "time zone {named:?} is interpreted as {zone}, which has the offsets defined in the file except in the hours in \
             which clocks change"
        );
        Ok(ResolvedZone { zone, note: Some(note) })
    }

    fn definition(&self, name: &str) -> Option<&'x ICalendarComponent> {
        self.file.timezones().find(|zone| {
            let id = zone.property(&Property::Tzid).and_then(|entry| entry.values.first());
            id.and_then(ICalendarValue::as_text) == Some(name)
        })
    }
}

/// The zone after a registry's prefix: `/freeassociation.sourceforge.net/Europe/Berlin`. Its name contains a slash,
/// so that no part of a prefix is mistaken for one.
fn below_prefix(name: &str) -> Option<Tz> {
    name.match_indices('/')
        .map(|(place, _)| &name[place + 1..])
        .filter(|rest| rest.contains('/'))
        .find_map(|rest| rest.parse().ok())
}

/// The zone found by calcard; a bare offset is one only if it is in whole hours.
fn iana(found: Found) -> Option<Tz> {
    match found {
        Found::Tz(zone) => Some(zone),
        Found::Floating => None,
        Found::Fixed(offset) => {
            let seconds = offset.local_minus_utc();
            // POSIX signs are reversed: Etc/GMT-2 is two hours ahead of UTC.
            (seconds % 3600 == 0).then(|| format!("Etc/GMT{:+}", -seconds / 3600).parse().ok()).flatten()
        }
    }
}

/// The offsets defined by a VTIMEZONE around one year.
struct Offsets {
    before: i64,
    /// Start of each offset, ascending.
    changes: Vec<(NaiveDateTime, i64)>,
    year: i32,
}

impl Offsets {
    fn read(file: &ICalendar, zone: &ICalendarComponent, year: i32, work: &mut Work) -> Result<Self, String> {
        let window = (year_start(year - 2)?, year_start(year + 1)?);
        let mut changes = Vec::new();
        for part in zone.component_ids.iter().filter_map(|id| file.component_by_id(*id)) {
            if !matches!(part.component_type, Type::Standard | Type::Daylight) {
                continue;
            }
            let from = offset(part, &Property::Tzoffsetfrom)?;
            let to = offset(part, &Property::Tzoffsetto)?;
            for onset in onsets(part, window, work)? {
                let at = onset.checked_sub_signed(TimeDelta::seconds(from)).ok_or("a date is out of range")?;
                changes.push((at, from, to));
            }
        }
        changes.sort_unstable();
        let before = changes.first().ok_or("it has no offsets")?.1;
        Ok(Self { before, changes: changes.into_iter().map(|(at, _, to)| (at, to)).collect(), year })
    }

    fn at(&self, utc: NaiveDateTime) -> i64 {
        self.changes.iter().rev().find(|(since, _)| *since <= utc).map_or(self.before, |(_, offset)| *offset)
    }

    /// The first zone with the same offsets all year, except for `margin` around each change.
    fn zone(&self, preferred: Option<Tz>, margin: TimeDelta) -> Option<Tz> {
        let (start, until) = (year_start(self.year).ok()?, year_start(self.year + 1).ok()?);
        let changes: Vec<NaiveDateTime> =
            self.changes.iter().map(|(at, _)| *at).filter(|at| (start..until).contains(at)).collect();
        let mut samples: Vec<NaiveDateTime> =
            (0..122).filter_map(|step| start.checked_add_signed(TimeDelta::days(step * 3))).collect();
        samples.retain(|at| changes.iter().all(|change| (*at - *change).abs() > margin));
        for at in changes {
            let second = TimeDelta::seconds(1);
            samples.extend(at.checked_add_signed(margin).into_iter().chain(at.checked_sub_signed(margin + second)));
        }
        let wanted: Vec<(NaiveDateTime, i64)> = samples.into_iter().map(|at| (at, self.at(at))).collect();
        preferred.into_iter().chain(KNOWN).chain(TZ_VARIANTS).find(|zone| {
            let offset = |at| i64::from(zone.offset_from_utc_datetime(at).fix().local_minus_utc());
            wanted.iter().all(|(at, wanted)| offset(at) == *wanted)
        })
    }
}

/// When a part of a zone applies: its start and recurrences within the window.
fn onsets(
    part: &ICalendarComponent,
    window: (NaiveDateTime, NaiveDateTime),
    work: &mut Work,
) -> Result<Vec<NaiveDateTime>, String> {
    let start = part.property(&Property::Dtstart).and_then(|entry| entry.values.first());
    let start = start.and_then(ICalendarValue::as_partial_date_time).and_then(PartialDateTime::to_date_time);
    let start = start.ok_or("it has no start")?.date_time;
    let mut all = vec![start];
    for entry in &part.entries {
        for value in &entry.values {
            match (&entry.name, value) {
                (Property::Rrule, ICalendarValue::RecurrenceRule(rule)) => {
                    // UNTIL is in UTC here, hours from local time at most, and the next onset is months away.
                    all.extend(Rule::new(rule, start, Tz::UTC)?.starts(start, window.0, window.1, work)?);
                }
                (Property::Rrule, _) => return Err("its rule is invalid".to_owned()),
                (Property::Rdate, ICalendarValue::PartialDateTime(at)) => {
                    all.extend(at.to_date_time().map(|read| read.date_time));
                }
                _ => {}
            }
        }
    }
    Ok(all)
}

fn offset(part: &ICalendarComponent, property: &Property) -> Result<i64, String> {
    let value = part.property(property).and_then(|entry| entry.values.first());
    let value = value.and_then(ICalendarValue::as_partial_date_time).ok_or("an offset is missing")?;
    let hours = i64::from(value.tz_hour.ok_or("an offset is missing")?);
    let seconds = hours * 3600 + i64::from(value.tz_minute.unwrap_or(0)) * 60;
    Ok(if value.tz_minus { -seconds } else { seconds })
}

fn year_start(year: i32) -> Result<NaiveDateTime, String> {
    Ok(NaiveDate::from_ymd_opt(year, 1, 1).ok_or("a year is out of range")?.and_time(NaiveTime::MIN))
}
