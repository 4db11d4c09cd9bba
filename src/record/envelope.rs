//! A stored event: the envelope around the data, and the bytes covered by its leaf hash.
//!
//! Schema: `schemas/envelope.v1.json`.

use chrono::{DateTime, Datelike as _, SecondsFormat, Timelike as _, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::stream::StreamName;
use crate::domain::ids::{CorrelationId, EventId, Position, Version};

/// How an event reached the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Our HTTP API.
    Api,
    /// A source's webhook.
    Webhook,
    /// A poll of a source.
    Poll,
    /// An observation at a calendar provider.
    Provider,
    /// An offline device.
    Device,
    /// The reconciler.
    Reconciler,
    /// An operator.
    Admin,
    /// An imported file.
    Import,
}

impl Origin {
    /// All origins with their permanent names.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Api, "api"),
        (Self::Webhook, "webhook"),
        (Self::Poll, "poll"),
        (Self::Provider, "provider"),
        (Self::Device, "device"),
        (Self::Reconciler, "reconciler"),
        (Self::Admin, "admin"),
        (Self::Import, "import"),
    ];

    /// The permanent name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(o, _)| *o == self).map_or("admin", |(_, name)| name)
    }

    /// The origin with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(o, _)| *o)
    }
}

/// Who acted. Never a person's name, but an id used by the acting system.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// `token`, `source`, `calendar`, `reconciler`, `operator`, `importer`.
    pub kind: String,
    /// Id of the actor.
    pub id: String,
}

impl Actor {
    /// An actor with this kind and id.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

/// An event to append. Times are stored with microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Chosen by the caller: repeating an append with the same id returns the first result.
    pub id: EventId,
    /// The full event type, such as `booking.rescheduled`.
    pub kind: String,
    /// The version of the data's schema, from 1.
    pub schema: u16,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it happened, as reported by its origin.
    pub effective_at: DateTime<Utc>,
    /// Who acted.
    pub actor: Actor,
    /// How it reached the ledger.
    pub origin: Origin,
    /// Shared by all events that follow from one action.
    pub correlation: CorrelationId,
    /// The event that caused it.
    pub causation: Option<EventId>,
    /// The data: a JSON object with personal data only as ciphertext.
    pub data: String,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its stream.
    pub stream: StreamName,
    /// Its version in the stream.
    pub version: Version,
    /// Its position in the ledger.
    pub position: Position,
    /// The appended event.
    pub event: NewEvent,
    /// RFC 6962 leaf hash of [`leaf_bytes`].
    pub leaf: [u8; 32],
}

/// Time format: RFC 3339 with six decimals, in UTC.
pub fn write_time(at: DateTime<Utc>) -> String {
    let year = at.year();
    // Leap seconds and years with more digits are rare, and left to chrono, which takes ten times as long.
    if !(0..=9999).contains(&year) || at.timestamp_subsec_nanos() >= 1_000_000_000 {
        return at.to_rfc3339_opts(SecondsFormat::Micros, true);
    }
    let mut text = String::with_capacity(27);
    digits(&mut text, year.unsigned_abs(), 1_000);
    for (before, number) in
        [('-', at.month()), ('-', at.day()), ('T', at.hour()), (':', at.minute()), (':', at.second())]
    {
        text.push(before);
        digits(&mut text, number, 10);
    }
    text.push('.');
    digits(&mut text, at.timestamp_subsec_micros(), 100_000);
    text.push('Z');
    text
}

/// Writes `number` with as many digits as `place`, a power of ten.
fn digits(text: &mut String, number: u32, mut place: u32) {
    while place > 0 {
        text.push(char::from_digit(number / place % 10, 10).unwrap_or('0'));
        place /= 10;
    }
}

#[derive(Serialize)]
struct Leaf<'a> {
    id: EventId,
    stream: &'a str,
    version: u64,
    position: u64,
    r#type: &'a str,
    schema: u16,
    recorded_at: String,
    effective_at: String,
    actor: &'a Actor,
    origin: Origin,
    correlation: &'a str,
    causation: Option<EventId>,
    data: &'a str,
}

/// The bytes of an event in the Merkle tree: a JSON object with these keys in this order, `data` being exactly
/// the stored text.
pub fn leaf_bytes(stream: &str, version: Version, position: Position, event: &NewEvent) -> Vec<u8> {
    let leaf = Leaf {
        id: event.id,
        stream,
        version: version.0,
        position: position.0,
        r#type: &event.kind,
        schema: event.schema,
        recorded_at: write_time(event.recorded_at),
        effective_at: write_time(event.effective_at),
        actor: &event.actor,
        origin: event.origin,
        correlation: event.correlation.as_str(),
        causation: event.causation,
        data: &event.data,
    };
    let mut bytes = Vec::with_capacity(512 + event.data.len() * 5 / 4);
    serde_json::to_writer(&mut bytes, &leaf).expect("a leaf is made of strings and numbers, which always serialise");
    bytes
}

/// RFC 6962 §2.1: SHA-256 over a zero byte and the leaf's bytes.
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(bytes);
    hash.finalize().into()
}

impl NewEvent {
    /// Whether appending `self` in place of `stored` is the same append again: everything but `recorded_at` is equal.
    ///
    /// A retry reads the clock again, so that field may differ.
    pub fn repeats(&self, stored: &NewEvent) -> bool {
        self.id == stored.id
            && self.kind == stored.kind
            && self.schema == stored.schema
            && self.actor == stored.actor
            && self.origin == stored.origin
            && self.correlation == stored.correlation
            && self.causation == stored.causation
            && self.data == stored.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn times_are_written_as_the_library_writes_them(seconds in -100_000_000_000_i64..300_000_000_000, micros in 0_u32..1_000_000) {
            let at = DateTime::from_timestamp(seconds, micros * 1_000).unwrap();
            proptest::prop_assert_eq!(write_time(at), at.to_rfc3339_opts(SecondsFormat::Micros, true));
        }
    }
}
