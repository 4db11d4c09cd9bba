//! The envelope as JSON next to the data, for systems where an event has only an id, a type, data and metadata, such as
//! EventStoreDB and our gateway. The only place that knows the keys; both directions are lossless.
//!
//! `{"schema":1,"recorded_at":…,"effective_at":…,"actor":{"kind","id"},"origin":…,"$correlationId":…,"$causationId":…}`, and
//! `leaf` in hex if the event is read from a ledger. `$causationId` is left out if there is none.

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::envelope::{Actor, NewEvent, Origin, StoredEvent, write_time};
use crate::domain::ids::{CorrelationId, EventId};

/// Maximum size of an event's metadata, in bytes: fits every envelope with texts of maximum length, escaped.
pub const METADATA_BYTES_MAX: usize = 32 * 1024;

/// Metadata that is not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its metadata is not valid: {0}")]
pub struct MetadataError(String);

/// A parsed envelope; missing fields are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
// Unknown fields would be lost, so they are refused.
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The version of the data's schema.
    #[serde(default)]
    pub schema: Option<u16>,
    /// When it was recorded.
    #[serde(default)]
    pub recorded_at: Option<DateTime<Utc>>,
    /// When it happened.
    #[serde(default)]
    pub effective_at: Option<DateTime<Utc>>,
    /// Who acted.
    #[serde(default)]
    pub actor: Option<Actor>,
    /// How it reached the ledger.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The correlation id.
    #[serde(default, rename = "$correlationId")]
    pub correlation: Option<String>,
    /// The event that caused it.
    #[serde(default, rename = "$causationId")]
    pub causation: Option<EventId>,
    /// Leaf hash in hex. It follows from the other fields and the position, so it is never read from here.
    #[serde(default)]
    pub leaf: Option<String>,
}

#[derive(Serialize)]
struct MetadataJson<'a> {
    schema: u16,
    recorded_at: String,
    effective_at: String,
    actor: &'a Actor,
    origin: Origin,
    #[serde(rename = "$correlationId")]
    correlation: &'a str,
    #[serde(rename = "$causationId", skip_serializing_if = "Option::is_none")]
    causation: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf: Option<String>,
}

/// The envelope of an event to append.
pub fn write(event: &NewEvent) -> String {
    text(event, None)
}

/// The envelope of a stored event, including the leaf hash.
pub fn write_recorded(recorded: &StoredEvent) -> String {
    text(&recorded.event, Some(HEXLOWER.encode(&recorded.leaf)))
}

fn text(event: &NewEvent, leaf: Option<String>) -> String {
    let written = MetadataJson {
        schema: event.schema,
        recorded_at: write_time(event.recorded_at),
        effective_at: write_time(event.effective_at),
        actor: &event.actor,
        origin: event.origin,
        correlation: event.correlation.as_str(),
        causation: event.causation,
        leaf,
    };
    serde_json::to_string(&written).expect("an envelope is made of strings and numbers, which always serialise")
}

/// Parses metadata. Empty metadata is allowed.
///
/// # Errors
/// [`MetadataError`] if it is too long, not a JSON object, or has unknown fields.
pub fn read(bytes: &[u8]) -> Result<Metadata, MetadataError> {
    if bytes.len() > METADATA_BYTES_MAX {
        return Err(MetadataError(format!("it has {} bytes; the maximum is {METADATA_BYTES_MAX}", bytes.len())));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Metadata::default());
    }
    // serde would accept a list as the fields in order, which nobody means.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(MetadataError("it is not a JSON object".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| MetadataError(error.to_string()))
}

impl Metadata {
    /// The event with that id, type and data, if all required fields are present.
    ///
    /// # Errors
    /// [`MetadataError`], naming the missing field.
    pub fn event(self, id: EventId, kind: String, data: String) -> Result<NewEvent, MetadataError> {
        let missing = |field: &str| MetadataError(format!("{field} is missing"));
        Ok(NewEvent {
            id,
            kind,
            schema: self.schema.ok_or_else(|| missing("schema"))?,
            recorded_at: self.recorded_at.ok_or_else(|| missing("recorded_at"))?,
            effective_at: self.effective_at.ok_or_else(|| missing("effective_at"))?,
            actor: self.actor.ok_or_else(|| missing("actor"))?,
            origin: self.origin.ok_or_else(|| missing("origin"))?,
            correlation: CorrelationId(self.correlation.ok_or_else(|| missing("$correlationId"))?),
            causation: self.causation,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::ids::{Position, Version},
        record::stream::StreamName,
    };

    fn event(causation: Option<u128>) -> NewEvent {
        NewEvent {
            id: EventId(Uuid::from_u128(1)),
            kind: "booking.cancelled".into(),
            schema: 7,
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("in range"),
            effective_at: DateTime::from_timestamp_micros(-1).expect("in range"),
            actor: Actor::new("token", "\"\\ \u{1F3CC}"),
            origin: Origin::Reconciler,
            correlation: CorrelationId("a \u{e9}".into()),
            causation: causation.map(|id| EventId(Uuid::from_u128(id))),
            data: "{ \"a\" : 1.0 }".into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for event in [event(None), event(Some(2))] {
            let read = read(write(&event).as_bytes()).expect("it is ours");
            let again = read.event(event.id, event.kind.clone(), event.data.clone()).expect("it is whole");
            assert_eq!(again, event);
            let stream = StreamName::parse("booking-a.1").expect("a stream");
            let recorded = StoredEvent { stream, version: Version(0), position: Position(0), event, leaf: [0xab; 32] };
            let read = super::read(write_recorded(&recorded).as_bytes()).expect("it is ours");
            assert_eq!(read.leaf.as_deref(), Some("ab".repeat(32).as_str()));
        }
    }

    #[test]
    fn the_keys_are_permanent() {
        let expected = concat!(
            r#"{"schema":7,"recorded_at":"2023-11-14T22:13:20.123456Z","effective_at":"1969-12-31T23:59:59.999999Z","#,
            r#""actor":{"kind":"token","id":"\"\\ 🏌"},"origin":"reconciler","$correlationId":"a é","#,
            r#""$causationId":"00000000-0000-0000-0000-000000000002"}"#
        );
        assert_eq!(write(&event(Some(2))), expected);
    }

    #[test]
    fn what_says_nothing_is_read_and_what_would_be_lost_is_not() {
        assert_eq!(read(b"").expect("nothing"), Metadata::default());
        assert_eq!(read(b" {} ").expect("nothing"), Metadata::default());
        for wrong in ["[]", "null", "{", r#"{"user":"x"}"#, r#"{"schema":-1}"#, r#"{"origin":"elsewhere"}"#] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(read(&[b' '; METADATA_BYTES_MAX + 1]).is_err());
        let missing = Metadata::default().event(EventId(Uuid::nil()), "a.b".into(), "{}".into());
        assert!(missing.expect_err("it says nothing").to_string().contains("schema is missing"));
    }
}
