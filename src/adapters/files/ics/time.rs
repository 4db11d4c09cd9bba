//! Times and durations of iCalendar entries: local time in a zone, or whole days.

use calcard::icalendar::ICalendarDuration;
use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::domain::slot::Slot;

/// A start or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Day(NaiveDate),
    At { civil: NaiveDateTime, zone: Tz },
}

/// A duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// This number of whole days, for an entry that starts on a day.
    Days(u64),
    /// An exact time span (`DTEND`, RFC 5545 §3.8.5.3).
    Exact(TimeDelta),
    /// A number of calendar days, then a time span (`DURATION`).
    Nominal { days: u64, rest: TimeDelta },
}

/// Identifies an occurrence in its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Day(NaiveDate),
    At(DateTime<Utc>),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{}", day.format("%Y%m%d")),
            Self::At(at) => write!(f, "{}", at.format("%Y%m%dT%H%M%SZ")),
        }
    }
}

impl When {
    /// The local time; midnight for a day.
    pub(super) fn civil(&self) -> NaiveDateTime {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN),
            Self::At { civil, .. } => *civil,
        }
    }

    /// Its time zone; UTC for a day.
    pub(super) fn zone(&self) -> Tz {
        match self {
            Self::Day(_) => Tz::UTC,
            Self::At { zone, .. } => *zone,
        }
    }

    /// The same kind at another local time.
    pub(super) fn moved_to(&self, civil: NaiveDateTime) -> Self {
        match self {
            Self::Day(_) => Self::Day(civil.date()),
            Self::At { zone, .. } => Self::At { civil, zone: *zone },
        }
    }

    /// The instant, or midnight in UTC for a day.
    pub(super) fn instant(&self) -> Option<DateTime<Utc>> {
        instant(self.civil(), self.zone())
    }

    /// The key of an occurrence that starts then.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Self::Day(day) => Some(Key::Day(*day)),
            Self::At { civil, zone } => instant(*civil, *zone).map(Key::At),
        }
    }

    /// The slot that starts then. Times written in UTC are shown in `shown_in`.
    pub(super) fn slot(&self, length: Length, shown_in: Option<Tz>) -> Result<Slot, String> {
        let beyond = || "its end is after the last supported date".to_owned();
        match (self, length) {
            (Self::Day(day), Length::Days(days)) => {
                let until = day.checked_add_days(Days::new(days)).ok_or_else(beyond)?;
                Slot::all_day(*day, until).map_err(|wrong| wrong.to_string())
            }
            (Self::Day(_), Length::Exact(_) | Length::Nominal { .. }) => {
                Err("it starts on a day, but its duration is a time".to_owned())
            }
            (Self::At { .. }, Length::Days(_)) => Err("it starts at a time, but its duration is in days".to_owned()),
            (Self::At { civil, zone }, Length::Exact(_) | Length::Nominal { .. }) => {
                let (days, rest) = match length {
                    Length::Nominal { days, rest } => (days, rest),
                    Length::Exact(rest) => (0, rest),
                    Length::Days(_) => (0, TimeDelta::zero()),
                };
                let starts = instant(*civil, *zone).ok_or_else(beyond)?;
                let later = civil.checked_add_days(Days::new(days)).ok_or_else(beyond)?;
                let ends = instant(later, *zone).and_then(|at| at.checked_add_signed(rest)).ok_or_else(beyond)?;
                let shown_in = if *zone == Tz::UTC { shown_in.unwrap_or(Tz::UTC) } else { *zone };
                Slot::timed(starts, ends, shown_in.name()).map_err(|wrong| wrong.to_string())
            }
        }
    }
}

impl Length {
    /// From `start` to `end`, which must be of the same kind.
    pub(super) fn between(start: &When, end: &When) -> Result<Self, String> {
        let empty = "it must end after it starts";
        match (start, end) {
            (When::Day(from), When::Day(until)) => match u64::try_from((*until - *from).num_days()) {
                Ok(days) if days > 0 => Ok(Self::Days(days)),
                Ok(_) | Err(_) => Err(empty.to_owned()),
            },
            (When::At { .. }, When::At { .. }) => {
                let (from, until) =
                    start.instant().zip(end.instant()).ok_or("its times are after the last supported date")?;
                if until <= from { Err(empty.to_owned()) } else { Ok(Self::Exact(until - from)) }
            }
            (When::Day(_), When::At { .. }) | (When::At { .. }, When::Day(_)) => {
                Err("its start and end must both be days or both be times".to_owned())
            }
        }
    }

    /// `DURATION`, for an entry that starts at `start`.
    pub(super) fn lasting(start: &When, duration: &ICalendarDuration) -> Result<Self, String> {
        let days = u64::from(duration.weeks) * 7 + u64::from(duration.days);
        let seconds = i64::from(duration.hours) * 3600 + i64::from(duration.minutes) * 60 + i64::from(duration.seconds);
        if duration.neg || (days == 0 && seconds == 0) {
            return Err("its duration must be positive".to_owned());
        }
        match start {
            When::At { .. } => Ok(Self::Nominal { days, rest: TimeDelta::seconds(seconds) }),
            When::Day(_) if seconds == 0 => Ok(Self::Days(days)),
            When::Day(_) => match u64::try_from(seconds) {
                Ok(seconds) if seconds % 86_400 == 0 => Ok(Self::Days(days + seconds / 86_400)),
                Ok(_) | Err(_) => Err("it starts on a day, but its duration is a time".to_owned()),
            },
        }
    }
}

/// The instant of local time `civil` in `zone`: the first if it occurs twice; computed with the offset before the gap if it
/// does not exist (RFC 5545 §3.3.5).
fn instant(civil: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&civil) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
        // Clocks are put forward by an hour or less; whole days were skipped where the date line moved.
        LocalResult::None => [3, 27].into_iter().map(TimeDelta::hours).find_map(|back| {
            let before = zone.from_local_datetime(&civil.checked_sub_signed(back)?).earliest()?;
            before.to_utc().checked_add_signed(back)
        }),
    }
}
