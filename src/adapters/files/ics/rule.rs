//! Recurrence rules (RFC 5545 §3.3.10) in local time: days are checked one by one, so the work is bounded.
//!
//! Rules are parsed by the calcard crate; its expansion is not used, because it treats UNTIL as local time, matches overrides by
//! SEQUENCE across different UIDs, and cannot start in the middle of an old rule.

use calcard::icalendar::{ICalendarFrequency as Frequency, ICalendarRecurrenceRule};
use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Timelike as _, Weekday};
use chrono_tz::Tz;

/// Maximum number of times of day in a rule.
const TIMES_MAX: usize = 96;

/// Remaining work for a file, in days checked.
#[derive(Debug)]
pub(super) struct Work(u64);

impl Work {
    /// About a second of work, whatever the file. A daily recurrence over ten years takes 3,650.
    const DAYS_MAX: u64 = 10_000_000;

    /// The budget of a whole file.
    pub(super) fn new() -> Self {
        Self(Self::DAYS_MAX)
    }

    fn spend(&mut self, days: u64) -> Result<(), String> {
        self.0 = self.0.checked_sub(days).ok_or("the recurrences in this file are too expensive to expand")?;
        Ok(())
    }
}

/// A rule that can be expanded.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    frequency: Frequency,
    interval: i64,
    count: Option<u32>,
    until: Option<NaiveDateTime>,
    week_starts: Weekday,
    months: Vec<u32>,
    month_days: Vec<i64>,
    year_days: Vec<i64>,
    weeks: Vec<i64>,
    weekdays: Vec<(i64, Weekday)>,
    times: Vec<NaiveTime>,
    places: Vec<i64>,
}

impl Rule {
    /// From the rule of an entry that starts at `start`, in local time of `zone`.
    pub(super) fn new(read: &ICalendarRecurrenceRule, start: NaiveDateTime, zone: Tz) -> Result<Self, String> {
        match read.freq {
            Frequency::Yearly | Frequency::Monthly | Frequency::Weekly | Frequency::Daily => {}
            Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {
                return Err(
                    "it recurs within a day: only daily, weekly, monthly and yearly recurrences are supported".into()
                );
            }
        }
        if read.rscale.is_some() || read.skip.is_some() {
            return Err("it recurs by a calendar other than the Gregorian one".into());
        }
        let until = match &read.until {
            Some(until) => Some(last_start(until, zone).ok_or("the end of its recurrence is not a date")?),
            None => None,
        };
        let mut rule = Self {
            frequency: read.freq,
            interval: i64::from(read.interval.unwrap_or(1).max(1)),
            count: read.count,
            until,
            week_starts: read.wkst.map_or(Weekday::Mon, Into::into),
            months: numbers("BYMONTH", read.bymonth.iter().map(|month| i64::from(month.month())), 1, 12)?
                .into_iter()
                .filter_map(|month| u32::try_from(month).ok())
                .collect::<std::collections::BTreeSet<u32>>()
                .into_iter()
                .collect(),
            month_days: numbers("BYMONTHDAY", read.bymonthday.iter().map(|day| i64::from(*day)), -31, 31)?,
            year_days: numbers("BYYEARDAY", read.byyearday.iter().map(|day| i64::from(*day)), -366, 366)?,
            weeks: numbers("BYWEEKNO", read.byweekno.iter().map(|week| i64::from(*week)), -53, 53)?,
            weekdays: read.byday.iter().map(|day| (i64::from(day.ordwk.unwrap_or(0)), day.weekday.into())).collect(),
            times: times(read, start.time())?,
            places: numbers("BYSETPOS", read.bysetpos.iter().map(|place| i64::from(*place)), -366, 366)?,
        };
        rule.check()?;
        rule.fill_from(start.date());
        Ok(rule)
    }

    fn check(&self) -> Result<(), String> {
        let yearly = self.frequency == Frequency::Yearly;
        let numbered = self.weekdays.iter().any(|(number, _)| *number != 0);
        if numbered && (!(yearly || self.frequency == Frequency::Monthly) || !self.weeks.is_empty()) {
            return Err("its rule numbers weekdays where that is not allowed".into());
        }
        if !self.weeks.is_empty() && !yearly {
            return Err("its rule contains week numbers, but is not yearly".into());
        }
        Ok(())
    }

    /// If the rule leaves the day open, it is the day of the start.
    fn fill_from(&mut self, start: NaiveDate) {
        let open = self.weekdays.is_empty() && self.month_days.is_empty() && self.year_days.is_empty();
        if !open {
            return;
        }
        match self.frequency {
            Frequency::Weekly => self.weekdays = vec![(0, start.weekday())],
            Frequency::Yearly if !self.weeks.is_empty() => self.weekdays = vec![(0, start.weekday())],
            Frequency::Monthly => self.month_days = vec![i64::from(start.day())],
            Frequency::Yearly => {
                self.month_days = vec![i64::from(start.day())];
                if self.months.is_empty() {
                    self.months = vec![start.month()];
                }
            }
            Frequency::Daily | Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {}
        }
    }

    /// All starts from `from` until before `until`, ascending. The first start is always included and counted.
    pub(super) fn starts(
        &self,
        start: NaiveDateTime,
        from: NaiveDateTime,
        until: NaiveDateTime,
        work: &mut Work,
    ) -> Result<Vec<NaiveDateTime>, String> {
        let mut found = if (from..until).contains(&start) { vec![start] } else { vec![] };
        let mut left = self.count.map(|count| count.saturating_sub(1));
        // Without COUNT, nothing before the window matters, so it is skipped.
        let mut step = if left.is_none() { self.steps_before(start.date(), from.date()) } else { 0 };
        while left != Some(0) {
            let Some(days) = self.period(start.date(), step) else { break };
            let Some(first) = days.first() else { break };
            let begins = first.and_time(NaiveTime::MIN);
            if begins >= until || self.until.is_some_and(|last| begins > last) {
                break;
            }
            work.spend(days.len() as u64)?;
            for at in self.within(&days) {
                if at <= start || left == Some(0) {
                    continue;
                }
                if at >= until || self.until.is_some_and(|last| at > last) {
                    return Ok(found);
                }
                left = left.map(|left| left - 1);
                if at >= from {
                    found.push(at);
                }
            }
            step += 1;
        }
        Ok(found)
    }

    /// A number of steps that certainly ends before `from`.
    fn steps_before(&self, start: NaiveDate, from: NaiveDate) -> i64 {
        let longest = match self.frequency {
            Frequency::Yearly => 366,
            Frequency::Monthly => 31,
            Frequency::Weekly => 7,
            Frequency::Daily | Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => 1,
        };
        ((from - start).num_days() / (longest * self.interval) - 2).max(0)
    }

    /// The days of the period `step` steps after the one of `start`; `None` after the end of the calendar.
    fn period(&self, start: NaiveDate, step: i64) -> Option<Vec<NaiveDate>> {
        let ahead = step.checked_mul(self.interval)?;
        let (first, after) = match self.frequency {
            Frequency::Yearly => {
                let year = i32::try_from(i64::from(start.year()).checked_add(ahead)?).ok()?;
                if self.weeks.is_empty() {
                    (NaiveDate::from_ymd_opt(year, 1, 1)?, NaiveDate::from_ymd_opt(year + 1, 1, 1)?)
                } else {
                    (self.week_one(year)?, self.week_one(year + 1)?)
                }
            }
            Frequency::Monthly => {
                let month = i64::from(start.year()) * 12 + i64::from(start.month0());
                (month_start(month.checked_add(ahead)?)?, month_start(month.checked_add(ahead)?.checked_add(1)?)?)
            }
            Frequency::Weekly => {
                let first = add_days(self.week_of(start)?, ahead.checked_mul(7)?)?;
                (first, add_days(first, 7)?)
            }
            Frequency::Daily | Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {
                let first = add_days(start, ahead)?;
                (first, add_days(first, 1)?)
            }
        };
        if self.frequency == Frequency::Yearly && self.weeks.is_empty() && !self.months.is_empty() {
            // For yearly rules with months, the other months need no check.
            let months = self.months.iter().filter_map(|month| NaiveDate::from_ymd_opt(first.year(), *month, 1));
            return Some(months.flat_map(|day| day.iter_days().take(days_of_month(day) as usize)).collect());
        }
        Some(first.iter_days().take_while(|day| *day < after).collect())
    }

    /// The first day of the week of `day`.
    fn week_of(&self, day: NaiveDate) -> Option<NaiveDate> {
        day.checked_sub_days(Days::new(u64::from(day.weekday().days_since(self.week_starts))))
    }

    /// The first day of the first week with at least four days in `year`.
    fn week_one(&self, year: i32) -> Option<NaiveDate> {
        self.week_of(NaiveDate::from_ymd_opt(year, 1, 4)?)
    }

    /// The starts within one period, ascending.
    fn within(&self, days: &[NaiveDate]) -> Vec<NaiveDateTime> {
        let all: Vec<NaiveDateTime> = (0..)
            .zip(days)
            .filter(|(place, day)| self.fits(*place, **day, days.len()))
            .flat_map(|(_, day)| self.times.iter().map(|time| day.and_time(*time)))
            .collect();
        if self.places.is_empty() {
            return all;
        }
        let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
        (1..).zip(all).filter(|(place, _)| chosen(&self.places, *place, count)).map(|(_, at)| at).collect()
    }

    /// Whether a day of a period, at index `place`, matches.
    fn fits(&self, place: i64, day: NaiveDate, period_days: usize) -> bool {
        let month_days = i64::from(days_of_month(day));
        let year_days = if day.leap_year() { 366 } else { 365 };
        let weeks = i64::try_from(period_days / 7).unwrap_or(0);
        let either = |list: &[i64], place, count| list.is_empty() || chosen(list, place, count);
        (self.months.is_empty() || self.months.contains(&day.month()))
            && either(&self.month_days, i64::from(day.day()), month_days)
            && either(&self.year_days, i64::from(day.ordinal()), year_days)
            && either(&self.weeks, place / 7 + 1, weeks)
            && (self.weekdays.is_empty() || self.weekdays.iter().any(|named| self.is_weekday(*named, day)))
    }

    /// Whether a day is that weekday, and the numbered one of its month, or of its year if there are no months.
    fn is_weekday(&self, (number, weekday): (i64, Weekday), day: NaiveDate) -> bool {
        if day.weekday() != weekday {
            return false;
        }
        let in_year = self.frequency == Frequency::Yearly && self.months.is_empty();
        let (place, days) = if in_year {
            (i64::from(day.ordinal0()), if day.leap_year() { 366 } else { 365 })
        } else {
            (i64::from(day.day0()), i64::from(days_of_month(day)))
        };
        match number {
            0 => true,
            1.. => place / 7 + 1 == number,
            _ => (days - 1 - place) / 7 + 1 == -number,
        }
    }
}

/// Whether a list contains this index, counted from 1, or from the end for negative numbers.
fn chosen(list: &[i64], place: i64, count: i64) -> bool {
    list.iter().any(|number| if *number > 0 { place == *number } else { place - count - 1 == *number })
}

fn numbers(part: &str, list: impl Iterator<Item = i64>, min: i64, max: i64) -> Result<Vec<i64>, String> {
    let list: Vec<i64> = list.collect();
    if list.iter().any(|number| *number == 0 || !(min..=max).contains(number)) {
        return Err(format!("its rule has an invalid {part}"));
    }
    Ok(list)
}

fn times(read: &ICalendarRecurrenceRule, start: NaiveTime) -> Result<Vec<NaiveTime>, String> {
    let or = |list: &[u8], start: u32| {
        if list.is_empty() { vec![start] } else { list.iter().map(|n| u32::from(*n)).collect() }
    };
    let (hours, minutes, seconds) =
        (or(&read.byhour, start.hour()), or(&read.byminute, start.minute()), or(&read.bysecond, start.second()));
    if hours.len() * minutes.len() * seconds.len() > TIMES_MAX {
        return Err(format!("its rule has more than {TIMES_MAX} times a day"));
    }
    let mut times = Vec::new();
    for (hour, minute) in hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (*hour, *minute))) {
        for second in &seconds {
            let time = NaiveTime::from_hms_opt(hour, minute, *second);
            times.push(time.ok_or("its rule has an invalid time of day")?);
        }
    }
    times.sort_unstable();
    times.dedup();
    Ok(times)
}

/// The last start allowed by UNTIL, in local time of `zone`. A plain day allows the whole day.
fn last_start(until: &calcard::common::PartialDateTime, zone: Tz) -> Option<NaiveDateTime> {
    let read = until.to_date_time()?;
    if !until.has_time() {
        return read.date_time.date().and_hms_opt(23, 59, 59);
    }
    match read.offset {
        Some(offset) => {
            let utc = read.date_time.checked_sub_offset(offset)?;
            Some(zone.from_utc_datetime(&utc).naive_local())
        }
        None => Some(read.date_time),
    }
}

fn month_start(month: i64) -> Option<NaiveDate> {
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)
}

fn days_of_month(day: NaiveDate) -> u32 {
    u32::from(day.num_days_in_month())
}

fn add_days(day: NaiveDate, days: i64) -> Option<NaiveDate> {
    day.checked_add_days(Days::new(u64::try_from(days).ok()?))
}
