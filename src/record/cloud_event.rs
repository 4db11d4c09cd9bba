//! A stored event for other systems: CloudEvents 1.0 in structured JSON, `application/cloudevents+json`.
//!
//! The data is exactly the stored text, with personal texts sealed: a copy can be decrypted only while the ledger has
//! the person's key.

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::envelope::{StoredEvent, write_time};

/// The media type.
pub const CLOUD_EVENT_JSON: &str = "application/cloudevents+json";

/// A stored event as a CloudEvent. Attributes not defined by CloudEvents are extensions; numbers are strings,
/// because CloudEvents integers end at 2^31.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CloudEvent<'a> {
    /// `1.0`.
    specversion: &'static str,
    /// The event's id, a UUIDv7. The same however often the event is sent.
    id: String,
    /// The ledger: `urn:syncledger:<workspace>`.
    source: String,
    /// The event type, such as `booking.rescheduled`.
    r#type: &'a str,
    /// The stream, such as `booking-uschedule.1001`.
    subject: String,
    /// When it happened, as reported by its origin.
    time: String,
    /// `application/json`.
    datacontenttype: &'static str,
    /// The data's schema: `urn:syncledger:schema:booking/rescheduled.v1` is the file `schemas/booking/rescheduled.v1.json`.
    dataschema: String,
    /// Index in the ledger, from 0: without gaps, in commit order.
    position: String,
    /// Index in the stream, from 0.
    streamversion: String,
    /// When it was recorded.
    recordedat: String,
    /// How it reached the ledger.
    origin: &'static str,
    /// Kind of actor.
    actorkind: &'a str,
    /// Id of the actor.
    actorid: &'a str,
    /// Shared by all events that follow from one action.
    correlationid: &'a str,
    /// The event that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<String>,
    /// RFC 6962 leaf hash, in hex.
    leafhash: String,
    /// HTTP API address of the data, if it is too large to be sent. Then there is no `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dataref: Option<String>,
    /// The data, according to the type's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    data: Option<&'a RawValue>,
}

/// The event's data is not JSON, which the ledger never accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data of event {0} is not JSON")]
pub struct NotJson(pub String);

/// The `source` attribute of a workspace.
pub fn source(workspace: &str) -> String {
    format!("urn:syncledger:{}", super::subject::token(workspace))
}

/// The `dataschema` attribute of an event type.
pub fn schema(kind: &str, version: u16) -> String {
    format!("urn:syncledger:schema:{}.v{version}", kind.replacen('.', "/", 1))
}

impl<'a> CloudEvent<'a> {
    /// `recorded`, with its data or the address of it.
    ///
    /// # Errors
    /// [`NotJson`].
    pub fn of(workspace: &str, recorded: &'a StoredEvent, with_data: bool) -> Result<Self, NotJson> {
        let event = &recorded.event;
        let data = match with_data {
            true => Some(serde_json::from_str(&event.data).map_err(|_| NotJson(event.id.to_string()))?),
            false => None,
        };
        let position = recorded.position;
        Ok(Self {
            specversion: "1.0",
            id: event.id.to_string(),
            source: source(workspace),
            r#type: &event.kind,
            subject: recorded.stream.to_string(),
            time: write_time(event.effective_at),
            datacontenttype: "application/json",
            dataschema: schema(&event.kind, event.schema),
            position: position.to_string(),
            streamversion: recorded.version.to_string(),
            recordedat: write_time(event.recorded_at),
            origin: event.origin.as_str(),
            actorkind: &event.actor.kind,
            actorid: &event.actor.id,
            correlationid: event.correlation.as_str(),
            causationid: event.causation.map(|id| id.to_string()),
            leafhash: HEXLOWER.encode(&recorded.leaf),
            dataref: (!with_data).then(|| format!("/api/v1/events?from={position}&to={position}")),
            data,
        })
    }

    /// JSON bytes.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a cloud event is made of texts and one JSON text")
    }
}
