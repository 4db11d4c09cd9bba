//! The time of a booking: a half-open range of instants, or whole days, with the time zone it was chosen in.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SubsecRound as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest booking: a leap year, in days.
pub const SLOT_DAYS_MAX: i64 = 366;

/// A slot. Times have whole seconds: providers drop fractions, which would look like an edit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Slot {
    /// From one instant to another, chosen in a time zone.
    Timed {
        /// Start.
        starts_at: DateTime<Utc>,
        /// End (exclusive).
        ends_at: DateTime<Utc>,
        /// IANA time zone it was chosen in: `America/Chicago`.
        zone: String,
    },
    /// Whole days in the calendar's own time zone.
    AllDay {
        /// First day.
        from: NaiveDate,
        /// Day after the last one (exclusive).
        until: NaiveDate,
    },
}

/// Why two times do not form a slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlot {
    /// It ends before or when it starts.
    #[error("the booking must end after it starts, but ends {ends} and starts {starts}")]
    Empty {
        /// As given.
        starts: String,
        /// As given.
        ends: String,
    },
    /// Longer than [`SLOT_DAYS_MAX`].
    #[error("the booking lasts longer than {SLOT_DAYS_MAX} days")]
    TooLong,
    /// Not an IANA zone.
    #[error("{0:?} is not an IANA time zone such as Europe/Berlin")]
    UnknownZone(String),
    /// Before 1970 or after 2200.
    #[error("{0} is outside the supported years 1970 to 2200")]
    OutOfRange(String),
}

fn in_range(date: NaiveDate) -> bool {
    use chrono::Datelike as _;
    (1970..=2200).contains(&date.year())
}

impl Slot {
    /// A slot between two instants. Fractions of a second are dropped.
    ///
    /// # Errors
    /// [`InvalidSlot`] says which rule it breaks.
    pub fn timed(starts_at: DateTime<Utc>, ends_at: DateTime<Utc>, zone: &str) -> Result<Self, InvalidSlot> {
        let (starts_at, ends_at) = (starts_at.trunc_subsecs(0), ends_at.trunc_subsecs(0));
        let zone: Tz = zone.parse().map_err(|_| InvalidSlot::UnknownZone(zone.chars().take(80).collect()))?;
        for at in [starts_at, ends_at] {
            if !in_range(at.date_naive()) {
                return Err(InvalidSlot::OutOfRange(at.to_rfc3339()));
            }
        }
        if ends_at <= starts_at {
            return Err(InvalidSlot::Empty { starts: starts_at.to_rfc3339(), ends: ends_at.to_rfc3339() });
        }
        if ends_at - starts_at > TimeDelta::days(SLOT_DAYS_MAX) {
            return Err(InvalidSlot::TooLong);
        }
        Ok(Self::Timed { starts_at, ends_at, zone: zone.name().to_owned() })
    }

    /// A slot of whole days; `until` is the day after the last.
    ///
    /// # Errors
    /// [`InvalidSlot`] says which rule it breaks.
    pub fn all_day(from: NaiveDate, until: NaiveDate) -> Result<Self, InvalidSlot> {
        for day in [from, until] {
            if !in_range(day) {
                return Err(InvalidSlot::OutOfRange(day.to_string()));
            }
        }
        if until <= from {
            return Err(InvalidSlot::Empty { starts: from.to_string(), ends: until.to_string() });
        }
        if until - from > TimeDelta::days(SLOT_DAYS_MAX) {
            return Err(InvalidSlot::TooLong);
        }
        Ok(Self::AllDay { from, until })
    }

    /// The instants it may cover. Whole days have no time zone, so they are taken in UTC and widened by 14 hours, the
    /// largest UTC offset: right for "could these overlap?", never used for "when is it?".
    pub fn widest(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        match self {
            Self::Timed { starts_at, ends_at, .. } => (*starts_at, *ends_at),
            Self::AllDay { from, until } => {
                let at = |day: NaiveDate| Utc.from_utc_datetime(&day.and_time(NaiveTime::MIN));
                (at(*from) - TimeDelta::hours(14), at(*until) + TimeDelta::hours(14))
            }
        }
    }

    /// Whether the two have an instant in common. Two all-day slots are compared by days.
    pub fn overlaps(&self, other: &Self) -> bool {
        if let (Self::AllDay { from, until }, Self::AllDay { from: f, until: u }) = (self, other) {
            return from < u && f < until;
        }
        let ((a, b), (c, d)) = (self.widest(), other.widest());
        a < d && c < b
    }

    /// Whether the two are the same time, in whatever time zone they were chosen.
    ///
    /// A provider answers in the calendar's zone, so a different zone name alone is not an edit.
    pub fn same_time(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Timed { starts_at, ends_at, .. }, Self::Timed { starts_at: s, ends_at: e, .. }) => {
                starts_at == s && ends_at == e
            }
            (Self::AllDay { .. }, Self::AllDay { .. }) => self == other,
            (Self::Timed { .. }, Self::AllDay { .. }) | (Self::AllDay { .. }, Self::Timed { .. }) => false,
        }
    }

    /// Number of days of an all-day slot; `None` for others.
    pub fn days(&self) -> Option<Days> {
        match self {
            Self::Timed { .. } => None,
            Self::AllDay { from, until } => Some(Days::new(u64::try_from((*until - *from).num_days()).unwrap_or(0))),
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Timed { starts_at, ends_at, zone } => {
                let tz: Tz = zone.parse().unwrap_or(Tz::UTC);
                let (start, end) = (starts_at.with_timezone(&tz), ends_at.with_timezone(&tz));
                let end_format = if start.date_naive() == end.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
                write!(f, "{} to {} ({zone})", start.format("%Y-%m-%d %H:%M"), end.format(end_format))
            }
            Self::AllDay { from, until } if until.pred_opt() == Some(*from) => write!(f, "{from} (all day)"),
            Self::AllDay { from, until } => write!(f, "{from} to {} (all day)", until.pred_opt().unwrap_or(*until)),
        }
    }
}
