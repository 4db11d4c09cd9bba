//! The envelope as JSON beside the data: how an event stands where there is only an id, a type, data and metadata, as in
//! EventStoreDB and on the gateway that speaks like it. The one place that knows the keys; both directions are lossless.
//!
//! `{"schema":1,"recorded_at":…,"effective_at":…,"actor":{"kind","id"},"origin":…,"$correlationId":…,"$causationId":…}`, and
//! `leaf` in hex where the event is read from a ledger. `$causationId` is left out where there is none.

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::envelope::{Actor, NewEvent, Origin, StoredEvent, write_time};
use crate::domain::ids::{CorrelationId, EventId};

/// The largest metadata of one event, in bytes: every text of an envelope at its longest, escaped, fits.
pub const METADATA_BYTES_MAX: usize = 32 * 1024;

/// Metadata that is not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its metadata is not as it should be: {0}")]
pub struct MetadataError(String);

/// An envelope as it was read: what was not said is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
// What is not known here would be lost, so it is refused instead.
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The version of the data's schema.
    #[serde(default)]
    pub schema: Option<u16>,
    /// When it was written down.
    #[serde(default)]
    pub recorded_at: Option<DateTime<Utc>>,
    /// When it happened.
    #[serde(default)]
    pub effective_at: Option<DateTime<Utc>>,
    /// Who acted.
    #[serde(default)]
    pub actor: Option<Actor>,
    /// By what way it came.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The root act.
    #[serde(default, rename = "$correlationId")]
    pub correlation: Option<String>,
    /// The event that led to it.
    #[serde(default, rename = "$causationId")]
    pub causation: Option<EventId>,
    /// The leaf hash in hex. It follows from the rest and the event's place, so it is never taken from here.
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

/// The envelope of an event that is on its way into a ledger.
pub fn write(event: &NewEvent) -> String {
    text(event, None)
}

/// The envelope of an event that stands in a ledger, leaf hash included.
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

/// Reads metadata. No bytes at all say nothing, which is not wrong.
///
/// # Errors
/// [`MetadataError`] where it is too long, no JSON object, or says something that an envelope does not.
pub fn read(bytes: &[u8]) -> Result<Metadata, MetadataError> {
    if bytes.len() > METADATA_BYTES_MAX {
        return Err(MetadataError(format!("it has {} bytes; {METADATA_BYTES_MAX} are allowed", bytes.len())));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Metadata::default());
    }
    // A list would be read as the fields in their order, which nobody means.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(MetadataError("it is no JSON object".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| MetadataError(error.to_string()))
}

impl Metadata {
    /// The event of that id, type and data, where every field that an envelope needs was said.
    ///
    /// # Errors
    /// [`MetadataError`] names the field that is missing.
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
