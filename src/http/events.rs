//! The ledger itself, for auditors: events exactly as stored, with personal data sealed.

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

/// Default number of events per page.
const PAGE_EVENTS: u64 = 100;
/// Maximum number of events per page.
const PAGE_EVENTS_MAX: u64 = 1_000;
/// Maximum number of events read for one page when filtering by type; the next page continues.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// Filters of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only this stream, such as `booking-uschedule.1001`.
    stream: Option<String>,
    /// First position (within a stream: first version) [default: 0].
    #[serde(default)]
    from: u64,
    /// Last position (within a stream: last version), inclusive.
    to: Option<u64>,
    /// Only this type, such as `booking.rescheduled`.
    r#type: Option<String>,
    /// Maximum number of events, 1 to 1,000 [default: 100].
    limit: Option<u64>,
}

/// A stored event.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventView {
    /// Its id.
    id: String,
    /// Its stream.
    stream: String,
    /// Index in its stream, from 0.
    version: u64,
    /// Index in the ledger, from 0.
    position: u64,
    /// Its type.
    r#type: String,
    /// Version of the data's schema.
    schema: u16,
    /// When it was recorded (RFC 3339, UTC).
    recorded_at: String,
    /// When it happened, as reported by its origin (RFC 3339, UTC).
    effective_at: String,
    /// Who acted.
    actor: Actor,
    /// How it reached the ledger.
    origin: Origin,
    /// The correlation id: shared by all events that follow from one action.
    correlation: String,
    /// The event that caused this one.
    causation: Option<String>,
    /// The data, byte for byte as stored and as covered by the leaf hash.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    data: Box<RawValue>,
    /// RFC 6962 leaf hash, in hex.
    leaf: String,
}

/// A page of events.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventPage {
    /// The events, in ascending order.
    items: Vec<EventView>,
    /// Pass this as `from` to get the next page; `null` if there is nothing more at present.
    next: Option<u64>,
}

/// Lists the events of one stream, or of the whole ledger.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: EventsQuery = call.query()?;
    let limit = query.limit.unwrap_or(PAGE_EVENTS);
    if !(1..=PAGE_EVENTS_MAX).contains(&limit) {
        return Err(Problem::field("limit", format!("must be a number from 1 to {PAGE_EVENTS_MAX}")));
    }
    let stream = query.stream.as_deref().map(StreamName::parse).transpose();
    let stream = stream.map_err(|error| Problem::field("stream", error.to_string()))?;
    let (mut items, mut at, mut looked) = (Vec::new(), query.from, 0);
    let last = query.to.unwrap_or(u64::MAX);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let batch = usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX);
    let next = loop {
        // Databases count with i64.
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
