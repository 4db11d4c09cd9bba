//! The ledger itself, for auditors: events exactly as they are stored, personal data sealed.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Server,
    call::{Answer, Call},
    problem::{Kind, Problem, Success},
};
use crate::{
    domain::ids::{Position, Version},
    record::{
        envelope::{Actor, Origin, StoredEvent, write_time},
        stream::StreamName,
    },
};

/// Events of a page where nothing is said.
const PAGE_EVENTS: u64 = 100;
/// The most events of a page.
const PAGE_EVENTS_MAX: u64 = 1_000;
/// Events looked through for one page where a type is asked for: the rest is for the next page.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// Which events to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Of this stream only: `booking-uschedule.1001`.
    stream: Option<String>,
    /// From this position on (of a stream: from this version on); 0 where nothing is said.
    #[serde(default)]
    from: u64,
    /// Up to this position (of a stream: this version), itself included.
    to: Option<u64>,
    /// Only of this type: `booking.rescheduled`.
    r#type: Option<String>,
    /// At most so many, 1 to 1,000; 100 where nothing is said.
    limit: Option<u64>,
}

/// A stored event.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventView {
    /// Its id.
    id: String,
    /// Its stream.
    stream: String,
    /// Its place within the stream, from 0.
    version: u64,
    /// Its place in the ledger, from 0.
    position: u64,
    /// Its type.
    r#type: String,
    /// The version of the data's schema.
    schema: u16,
    /// When it was written down.
    recorded_at: String,
    /// When it happened, as far as the origin tells.
    effective_at: String,
    /// Who acted.
    actor: Actor,
    /// By what way it came.
    origin: Origin,
    /// The root act it belongs to.
    correlation: String,
    /// The event that led to it.
    causation: Option<String>,
    /// The data, as the very text that is stored and that the leaf hash covers.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    data: Box<RawValue>,
    /// RFC 6962 leaf hash, in hex.
    leaf: String,
}

/// A page of events.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventPage {
    /// The events, ascending.
    items: Vec<EventView>,
    /// What to ask with as `from` for the next page; `null` where there is nothing more now.
    next: Option<u64>,
}

/// Events of one stream, or of the whole ledger.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: EventsQuery = call.query()?;
    let limit = query.limit.unwrap_or(PAGE_EVENTS);
    if !(1..=PAGE_EVENTS_MAX).contains(&limit) {
        return Err(Problem::field("limit", format!("write a number from 1 to {PAGE_EVENTS_MAX}")));
    }
    let stream = query.stream.as_deref().map(StreamName::parse).transpose();
    let stream = stream.map_err(|error| Problem::field("stream", error.to_string()))?;
    let (mut items, mut at, mut looked) = (Vec::new(), query.from, 0);
    let last = query.to.unwrap_or(u64::MAX);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let batch = usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX);
    let next = loop {
        // i64 is what databases count with.
        if at > last || i64::try_from(at).is_err() {
            break None;
        }
        let page = match &stream {
            Some(stream) => server.journal.store().read_stream(stream, Version(at), batch).await,
            None => server.journal.store().read_all(Position(at), batch).await,
        };
        let page = page.map_err(crate::services::Error::from)?;
        let more = page.len() == batch;
        for recorded in page {
            let place = if stream.is_some() { recorded.version.0 } else { recorded.position.0 };
            if place > last || items.len() >= wanted {
                break;
            }
            (at, looked) = (place + 1, looked + 1);
            if query.r#type.as_ref().is_none_or(|kind| *kind == recorded.event.kind) {
                items.push(stored(recorded)?);
            }
        }
        if items.len() >= wanted || looked >= LOOKED_THROUGH_MAX {
            break (at <= last).then_some(at);
        }
        if !more {
            break None;
        }
    };
    Answer::json(Success::Ok, &EventPage { items, next })
}

fn stored(recorded: StoredEvent) -> Result<EventView, Problem> {
    let event = recorded.event;
    let data = RawValue::from_string(event.data)
        .map_err(|error| Problem::new(Kind::Internal, format!("event {} is damaged: {error}", event.id)))?;
    Ok(EventView {
        id: event.id.to_string(),
        stream: recorded.stream.to_string(),
        version: recorded.version.0,
        position: recorded.position.0,
        r#type: event.kind,
        schema: event.schema,
        recorded_at: write_time(event.recorded_at),
        effective_at: write_time(event.effective_at),
        actor: event.actor,
        origin: event.origin,
        correlation: event.correlation.0,
        causation: event.causation.map(|id| id.to_string()),
        data,
        leaf: HEXLOWER.encode(&recorded.leaf),
    })
}
