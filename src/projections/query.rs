//! Queries on the read models. Unless stated otherwise, the answer is rows with the columns of the projection.
//! Statements: `projections/<name>.sql`.

use chrono::{DateTime, Utc};

use crate::{
    domain::ids::{BookingId, CalendarKey, ChannelId, ConnectionId, LinkId, RemoteId, ResourceId, SubjectId},
    projections::Projection,
};

/// Maximum number of rows per answer.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// Paging of a long answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The values of the [`Query::order`] columns in the last row of the previous page.
    pub after: Option<Vec<String>>,
    /// Maximum number of rows; never more than [`PAGE_ROWS_MAX`].
    pub limit: u32,
}

impl Page {
    /// The first `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}

/// Filter for bookings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookingFilter {
    /// `tentative`, `confirmed`, `cancelled`.
    pub status: Option<String>,
    /// On this resource.
    pub resource: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// Ending after this time.
    pub from: Option<DateTime<Utc>>,
    /// Beginning before this time.
    pub until: Option<DateTime<Utc>>,
}

/// Filter for links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkFilter {
    /// `ACTIVE`, `CANCELED`, `PENDING`, `WITHHELD`, `FAILED`, `DETACHED`.
    pub status: Option<String>,
    /// Through this connection.
    pub connection: Option<String>,
    /// Of this resource.
    pub resource: Option<String>,
    /// Only those that need attention.
    pub attention: bool,
}

/// Filter for attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// `running`, `success`, `fail`, `unknown`.
    pub status: Option<String>,
    /// Of this link.
    pub link: Option<String>,
    /// Through this connection.
    pub connection: Option<String>,
    /// `push` or `pull`.
    pub direction: Option<String>,
}

/// A query.
#[derive(Debug, Clone)]
pub enum Query {
    /// Links with a timer at or before `now`, earliest first.
    DueLinks {
        /// Present time.
        now: DateTime<Utc>,
        /// Maximum number of rows.
        limit: u32,
    },
    /// The links of a booking.
    LinksOfBooking(BookingId),
    /// The link an entry belongs to: `link`, `role` (`ours`, `superseded`, `detached`, `clone`), `generation`, `seen`,
    /// `seen_etag`.
    LinkOfEntry {
        /// The calendar.
        calendar: CalendarKey,
        /// The entry.
        remote: RemoteId,
    },
    /// Links of a calendar whose entry exists as far as we know, with its id in `remote`.
    LinksOfCalendar(CalendarKey, Page),
    /// Links through a connection.
    LinksOfConnection(ConnectionId, Page),
    /// Links with a removal waiting for this approval.
    LinksHeldForApproval(String, Page),
    /// Active bookings on that resource that may overlap the range. Whole days are widened: narrow down with
    /// `Slot::overlaps`.
    BookingsOverlapping {
        /// The resource.
        resource: ResourceId,
        /// Start.
        from: DateTime<Utc>,
        /// End (exclusive).
        until: DateTime<Utc>,
        /// Except this booking.
        excluding: Option<BookingId>,
    },
    /// A channel.
    Channel(ChannelId),
    /// Commands without an outcome.
    OpenCommands(Page),

    /// A booking.
    Booking(BookingId),
    /// Bookings with texts about this person.
    BookingsOfSubject(SubjectId, Page),
    /// Bookings by start time.
    Bookings(BookingFilter, Page),
    /// A link.
    Link(LinkId),
    /// Links.
    Links(LinkFilter, Page),
    /// An attempt, with `booking`, and `connection` and `calendar` of its link.
    Attempt(String),
    /// Attempts, newest first.
    Attempts(AttemptFilter, Page),
    /// Connections.
    Connections(Page),
    /// Calendars.
    Calendars(Page),
    /// Cursors of calendars and sources.
    Cursors(Page),
    /// Channels that may receive notifications.
    Channels(Page),
    /// Dead letters.
    DeadLetters(Page),
    /// Approvals, all or with this status (`open`, `granted`, `denied`).
    Approvals(Option<String>, Page),
    /// Deliveries, all or with this status (`received`, `applied`, `refused`).
    Deliveries(Option<String>, Page),

    /// All rows of a read model, by key.
    Table(&'static Projection, Page),

    /// Numbers of attempts: `provider`, `direction`, `operation`, `status`, `error_class`, `count`.
    AttemptCounts,
    /// Numbers of links: `status`, `count`.
    LinkCounts,
    /// One row: `oldest_due_at`, `last_success_at` (of any attempt), `channel_expires_at` (the earliest of open channels),
    /// `pulled_at` (the oldest last pull of selected calendars), and the numbers `attention` and `dead_letters`.
    Health,
}

impl Query {
    /// The columns that rows are ordered by, and whose values are in `Page::after`. Empty for answers without pages.
    pub fn order(&self) -> Vec<&'static str> {
        if let Self::Table(projection, _) = self {
            return projection.table.key_columns().iter().map(|column| column.name).collect();
        }
        self.fixed_order().to_vec()
    }

    fn fixed_order(&self) -> &'static [&'static str] {
        match self {
            Self::DueLinks { .. } => &["due_at", "link"],
            Self::LinksOfBooking(_)
            | Self::LinksOfCalendar(..)
            | Self::LinksOfConnection(..)
            | Self::LinksHeldForApproval(..)
            | Self::LinkOfEntry { .. }
            | Self::Links(..)
            | Self::OpenCommands(_) => &["link"],
            Self::BookingsOverlapping { .. } | Self::Bookings(..) => &["blocks_from", "booking"],
            Self::BookingsOfSubject(..) => &["booking"],
            Self::Attempts(..) => &["started_at", "attempt"],
            Self::Connections(_) => &["connection"],
            Self::Calendars(_) => &["connection", "calendar"],
            Self::Cursors(_) => &["kind", "owner", "calendar"],
            Self::Channels(_) => &["channel"],
            Self::DeadLetters(_) => &["kind", "letter"],
            Self::Approvals(..) => &["approval"],
            Self::Deliveries(..) => &["stream"],
            Self::Channel(_)
            | Self::Booking(_)
            | Self::Link(_)
            | Self::Attempt(_)
            | Self::AttemptCounts
            | Self::LinkCounts
            | Self::Table(..)
            | Self::Health => &[],
        }
    }

    /// The read model that it reads or counts.
    pub fn table(&self) -> &'static str {
        match self {
            Self::DueLinks { .. }
            | Self::LinksOfBooking(_)
            | Self::LinksOfCalendar(..)
            | Self::LinksOfConnection(..)
            | Self::LinksHeldForApproval(..)
            | Self::Link(_)
            | Self::Links(..)
            | Self::LinkCounts
            | Self::Health => "links",
            Self::LinkOfEntry { .. } => "entries",
            Self::BookingsOverlapping { .. } | Self::BookingsOfSubject(..) | Self::Booking(_) | Self::Bookings(..) => {
                "bookings"
            }
            Self::Channel(_) | Self::Channels(_) => "channels",
            Self::OpenCommands(_) => "open_commands",
            Self::Attempt(_) | Self::Attempts(..) | Self::AttemptCounts => "attempts",
            Self::Connections(_) => "connections",
            Self::Calendars(_) => "calendars",
            Self::Cursors(_) => "cursors",
            Self::DeadLetters(_) => "dead_letters",
            Self::Approvals(..) => "approvals",
            Self::Deliveries(..) => "deliveries",
            Self::Table(projection, _) => projection.name,
        }
    }

    /// Its page, if it has pages.
    pub fn page(&self) -> Option<&Page> {
        match self {
            Self::LinksOfCalendar(_, page)
            | Self::LinksOfConnection(_, page)
            | Self::LinksHeldForApproval(_, page)
            | Self::OpenCommands(page)
            | Self::BookingsOfSubject(_, page)
            | Self::Table(_, page)
            | Self::Bookings(_, page)
            | Self::Links(_, page)
            | Self::Attempts(_, page)
            | Self::Connections(page)
            | Self::Calendars(page)
            | Self::Cursors(page)
            | Self::Channels(page)
            | Self::DeadLetters(page)
            | Self::Approvals(_, page)
            | Self::Deliveries(_, page) => Some(page),
            Self::DueLinks { .. }
            | Self::LinksOfBooking(_)
            | Self::LinkOfEntry { .. }
            | Self::BookingsOverlapping { .. }
            | Self::Channel(_)
            | Self::Booking(_)
            | Self::Link(_)
            | Self::Attempt(_)
            | Self::AttemptCounts
            | Self::LinkCounts
            | Self::Health => None,
        }
    }
}
