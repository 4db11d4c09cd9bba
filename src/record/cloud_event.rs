//! A stored event as others meet it: a CloudEvent 1.0 in structured JSON, `application/cloudevents+json`.
//!
//! The data is the very text that is stored, personal texts sealed: a copy of it can be read for as long as the ledger keeps
//! the person's key, and no longer.

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::envelope::{StoredEvent, write_time};

/// The media type.
pub const CLOUD_EVENT_JSON: &str = "application/cloudevents+json";

/// A stored event as a CloudEvent. Attributes that CloudEvents does not define are extensions; numbers are written as texts,
/// since its integers end at 2^31.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CloudEvent<'a> {
    /// `1.0`.
    specversion: &'static str,
    /// The event's id, a UUIDv7. One event has one id, however often it is sent.
    id: String,
    /// Whose ledger: `urn:syncledger:<workspace>`.
    source: String,
    /// The event's type: `booking.rescheduled`.
    r#type: &'a str,
    /// The event's stream: `booking-uschedule.1001`.
    subject: String,
    /// When it happened, as far as the origin tells.
    time: String,
    /// `application/json`.
    datacontenttype: &'static str,
    /// Names the data's schema: `urn:syncledger:schema:booking/rescheduled.v1` is the file `schemas/booking/rescheduled.v1.json`.
    dataschema: String,
    /// Place in the ledger, from 0: gapless, in commit order.
    position: String,
    /// Place within the stream, from 0.
    streamversion: String,
    /// When it was written down.
    recordedat: String,
    /// By what way it came.
    origin: &'static str,
    /// What kind of actor acted.
    actorkind: &'a str,
    /// Which one.
    actorid: &'a str,
    /// The root act that it belongs to.
    correlationid: &'a str,
    /// The event that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<String>,
    /// RFC 6962 leaf hash, in hex.
    leafhash: String,
    /// Where the data is, if it is too large to be sent: an address of the HTTP API. Then there is no `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dataref: Option<String>,
    /// The data, by the type's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    data: Option<&'a RawValue>,
}

/// An event that does not hold JSON: the ledger takes none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data of event {0} is not JSON")]
pub struct NotJson(pub String);

/// What `source` says of a workspace.
pub fn source(workspace: &str) -> String {
    format!("urn:syncledger:{}", super::subject::token(workspace))
}

/// What `dataschema` says of a type.
pub fn schema(kind: &str, version: u16) -> String {
    format!("urn:syncledger:schema:{}.v{version}", kind.replacen('.', "/", 1))
}

impl<'a> CloudEvent<'a> {
    /// `recorded`, with its data or with where that is.
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

    /// As JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a cloud event is made of texts and one JSON text")
    }
}
