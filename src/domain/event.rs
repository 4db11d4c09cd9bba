//! All events: the sum of all aggregates' events. `kind()` strings are permanent.

use super::{booking, calendar, connection, link, operations, profile, source};

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// About a booking.
    Booking(booking::Event),
    /// About a connection.
    Connection(connection::Event),
    /// About a remote calendar.
    Calendar(calendar::Event),
    /// About a link.
    Link(link::Event),
    /// About a source.
    Source(source::Event),
    /// About a profile.
    Profile(profile::Event),
    /// About operations.
    Operations(operations::Event),
}

impl Event {
    /// The category of its stream.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Booking(_) => "booking",
            Self::Connection(_) => "connection",
            Self::Calendar(_) => "calendar",
            Self::Link(_) => "link",
            Self::Source(_) => "source",
            Self::Profile(_) => "profile",
            Self::Operations(_) => "operations",
        }
    }

    /// The full event type, such as `booking.rescheduled`.
    pub fn kind(&self) -> String {
        let name = match self {
            Self::Booking(event) => event.name(),
            Self::Connection(event) => event.name(),
            Self::Calendar(event) => event.name(),
            Self::Link(event) => event.name(),
            Self::Source(event) => event.name(),
            Self::Profile(event) => event.name(),
            Self::Operations(event) => event.name(),
        };
        format!("{}.{name}", self.category())
    }
}

macro_rules! from {
    ($($variant:ident, $module:ident);+) => {
        $(impl From<$module::Event> for Event {
            fn from(event: $module::Event) -> Self {
                Self::$variant(event)
            }
        })+
    };
}

from!(Booking, booking; Connection, connection; Calendar, calendar; Link, link; Source, source; Profile, profile; Operations, operations);
