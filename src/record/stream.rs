//! Streams and their names: `<category>-<id>`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::ids::{BookingId, CalendarKey, ConnectionId, LinkId, ProfileId, SourceName};

/// The category of a stream. The names are permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// One booking.
    Booking,
    /// One connection to a provider.
    Connection,
    /// One remote calendar.
    Calendar,
    /// One booking on one calendar.
    Link,
    /// One delivery from a booking source, or a source's polling.
    Source,
    /// One offline device.
    Device,
    /// One synced document that is not a booking.
    Record,
    /// One policy document.
    Profile,
    /// Actions of operators and of the ledger itself.
    Operations,
}

impl Category {
    /// All categories, in the order above.
    pub const ALL: [Self; 9] = [
        Self::Booking,
        Self::Connection,
        Self::Calendar,
        Self::Link,
        Self::Source,
        Self::Device,
        Self::Record,
        Self::Profile,
        Self::Operations,
    ];

    /// Its name in stream names, event types, schemas and NATS subjects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::Connection => "connection",
            Self::Calendar => "calendar",
            Self::Link => "link",
            Self::Source => "source",
            Self::Device => "device",
            Self::Record => "record",
            Self::Profile => "profile",
            Self::Operations => "operations",
        }
    }
}

/// The name of a stream. Ordered by category, then id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName {
    /// The category.
    pub category: Category,
    /// The id: 1 to 512 characters that need no escaping in a URL path segment.
    pub id: String,
}

/// A text that is not a stream name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a stream name: write <category>-<id>, such as booking-uschedule.1001")]
pub struct NoSuchStream(pub String);

impl StreamName {
    /// The stream of a booking.
    pub fn booking(id: &BookingId) -> Self {
        Self { category: Category::Booking, id: id.to_string() }
    }

    /// The stream of a link.
    pub fn link(id: &LinkId) -> Self {
        Self { category: Category::Link, id: id.to_string() }
    }

    /// The stream of a remote calendar.
    pub fn calendar(key: &CalendarKey) -> Self {
        Self { category: Category::Calendar, id: key.stream_id() }
    }

    /// The stream of a connection.
    pub fn connection(id: &ConnectionId) -> Self {
        Self { category: Category::Connection, id: id.to_string() }
    }

    /// The stream of a profile.
    pub fn profile(id: &ProfileId) -> Self {
        Self { category: Category::Profile, id: id.to_string() }
    }

    /// The stream of a source's polling.
    pub fn source(name: &SourceName) -> Self {
        Self { category: Category::Source, id: name.to_string() }
    }

    /// The stream of a delivery from a source: created once, so that a repeated delivery is detected.
    pub fn delivery(source: &SourceName, delivery: &str) -> Self {
        let id = format!("{source}.{delivery}");
        let plain = id.len() <= 160 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~@-".contains(&b));
        let id = if plain { id } else { format!("{source}.~{}", crate::domain::ids::short_hash(&[delivery], 32)) };
        Self { category: Category::Source, id }
    }

    /// The stream of a workspace's operations.
    pub fn operations(workspace: &str) -> Self {
        Self { category: Category::Operations, id: workspace.to_owned() }
    }

    /// The stream of what a workspace's ledger requires of the program.
    pub fn program(workspace: &str) -> Self {
        Self { category: Category::Operations, id: format!("{workspace}.program") }
    }

    /// Parses `<category>-<id>`.
    ///
    /// # Errors
    /// [`NoSuchStream`] if the category is unknown or the id is empty.
    pub fn parse(text: &str) -> Result<Self, NoSuchStream> {
        let fail = || NoSuchStream(text.chars().take(200).collect());
        let (category, id) = text.split_once('-').ok_or_else(fail)?;
        let category = Category::ALL.into_iter().find(|c| c.as_str() == category).ok_or_else(fail)?;
        if id.is_empty() || id.len() > 512 || id.bytes().any(|b| b.is_ascii_control()) {
            return Err(fail());
        }
        Ok(Self { category, id: id.to_owned() })
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.category.as_str(), self.id)
    }
}

impl TryFrom<String> for StreamName {
    type Error = NoSuchStream;
    fn try_from(text: String) -> Result<Self, NoSuchStream> {
        Self::parse(&text)
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> String {
        name.to_string()
    }
}
