//! Identifiers, one type each, so that they cannot be confused.
//!
//! An identifier that becomes part of a stream name contains only characters that need no escaping in a URL path
//! segment, and is checked when it is created ([`InvalidId`]).

use std::fmt;

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not valid: use 1 to {max} characters of A-Z a-z 0-9 . _ ~ @ -")]
pub struct InvalidId {
    what: &'static str,
    text: String,
    max: usize,
}

/// Maximum length of an identifier, in bytes.
pub const ID_BYTES_MAX: usize = 160;

fn check(what: &'static str, text: &str) -> Result<(), InvalidId> {
    let ok = !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~@-".contains(&b));
    if ok { Ok(()) } else { Err(InvalidId { what, text: text.chars().take(80).collect(), max: ID_BYTES_MAX }) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps `text`.
            ///
            /// # Errors
            /// [`InvalidId`] if it is empty, too long, or contains a character that would need escaping.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check($what, &text)?;
                Ok(Self(text))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One booking: `<source>.<the source's own id>`.
    BookingId, "the booking id");
text_id!(
    /// A bookable resource: a bay, a room, a member of staff.
    ResourceId, "the resource");
text_id!(
    /// The system a booking comes from: `uschedule`, `api`, `import`.
    SourceName, "the source");
text_id!(
    /// Access to a calendar provider.
    ConnectionId, "the connection id");
text_id!(
    /// A profile's name: `resource-mirror`.
    ProfileId, "the profile");
text_id!(
    /// One booking on one calendar.
    LinkId, "the link id");
text_id!(
    /// A person (or, if the source names nobody, a booking) whose personal data shares a key.
    SubjectId, "the subject");
text_id!(
    /// A push channel at a provider. At most 64 characters there.
    ChannelId, "the channel id");

impl BookingId {
    /// The booking with id `external` at `source`. Deterministic: the same pair always gives the same id.
    ///
    /// An `external` that is not valid in a stream name (such as a UID with spaces) is replaced by 32 hex digits of its
    /// SHA-256; the original is in the booking's `registered` event.
    pub fn of_source(source: &SourceName, external: &str) -> Self {
        let whole = format!("{source}.{external}");
        if check("", &whole).is_ok() && !external.is_empty() {
            return Self(whole);
        }
        Self(format!("{source}.~{}", short_hash(&[external], 32)))
    }
}

impl LinkId {
    /// The link of `booking` on `calendar`: the booking's id and eight hex digits of a hash of the calendar.
    pub fn of(booking: &BookingId, calendar: &CalendarKey) -> Self {
        let tag = short_hash(&[calendar.connection.as_str(), calendar.calendar.as_str()], 8);
        let whole = format!("{booking}.{tag}");
        if whole.len() <= ID_BYTES_MAX {
            Self(whole)
        } else {
            Self(format!("~{}.{tag}", short_hash(&[booking.as_str()], 32)))
        }
    }
}

/// The first `digits` hex digits (at most 64) of SHA-256 over the parts, each followed by a zero byte.
pub fn short_hash(parts: &[&str], digits: usize) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut text = HEXLOWER.encode(&hash.finalize());
    text.truncate(digits);
    text
}

/// A provider's id of a calendar (`bay1@group.calendar.google.com`, a CalDAV path). Any text without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RemoteCalendarId(String);

/// A remote calendar and the connection it is reached through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CalendarKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The provider's id of the calendar.
    pub calendar: RemoteCalendarId,
}

impl RemoteCalendarId {
    /// Wraps the provider's id unchanged.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The provider's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RemoteCalendarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CalendarKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.connection, self.calendar)
    }
}

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text, exactly as received.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque!(
    /// A remote entry's id at the provider.
    RemoteId);
opaque!(
    /// A remote entry's version at the provider, including quotes if it has them.
    Etag);
opaque!(
    /// A provider's delta token.
    CursorToken);
opaque!(
    /// Makes a repeated command safe at its target.
    IdempotencyKey);
opaque!(
    /// Shared by all events that follow from one action.
    CorrelationId);

/// Id of a stored event: a UUIDv7 (RFC 9562 §5.7), so that ids are inserted in nearly ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl std::str::FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The next number.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Index in the whole ledger: from 0, without gaps, in commit order.
    Position);
number!(
    /// Index in a stream: from 0.
    Version);
number!(
    /// Number of changes of a booking: 1 when it was registered.
    Revision);
number!(
    /// Counts the remote entries of a link: 1 for the first, one more whenever a new id is needed.
    Generation);

impl CalendarKey {
    /// Id of this calendar's stream: `<connection>.<calendar>`, where a character not allowed in identifiers is
    /// written as `~` and two hex digits per byte.
    pub fn stream_id(&self) -> String {
        let mut id = format!("{}.", self.connection);
        for byte in self.calendar.as_str().bytes() {
            if byte.is_ascii_alphanumeric() || b"._@-".contains(&byte) {
                id.push(char::from(byte));
            } else {
                id.push('~');
                HEXLOWER.encode_append(&[byte], &mut id);
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids are stored for ever: these were computed with Python's hashlib.
    #[test]
    fn ids_that_are_made_stay_as_they_are() {
        assert_eq!(short_hash(&["a b"], 64), "dfa5830757fffdb100436d8dad645f6adfa4622e9703c00ce302dff6d471ac85");
        assert_eq!(short_hash(&["a", "b"], 8), "8fb20ef6");
        let source = SourceName::new("ics").unwrap();
        assert_eq!(BookingId::of_source(&source, "1001").as_str(), "ics.1001");
        let odd = BookingId::of_source(&source, "UID with spaces");
        assert_eq!(odd.as_str(), "ics.~9bb8a96b5fcd6b102b924eb4f4758209");
        let calendar = CalendarKey {
            connection: ConnectionId::new("google").unwrap(),
            calendar: RemoteCalendarId::new("bay1@group.calendar.google.com"),
        };
        assert_eq!(LinkId::of(&odd, &calendar).as_str(), format!("{odd}.795ee37e"));
        let long = BookingId::new(format!("x.{}", "b".repeat(158))).unwrap();
        assert_eq!(LinkId::of(&long, &calendar).as_str(), "~e4b8436dff3438ace0903954b9433285.795ee37e");
    }

    #[test]
    fn a_calendar_of_any_name_has_a_stream() {
        let key = |name: &str| CalendarKey {
            connection: ConnectionId::new("caldav").unwrap(),
            calendar: RemoteCalendarId::new(name),
        };
        assert_eq!(key("/dav/Bay 1~ü@x_y.z-0/").stream_id(), "caldav.~2fdav~2fBay~201~7e~c3~bc@x_y.z-0~2f");
    }
}
