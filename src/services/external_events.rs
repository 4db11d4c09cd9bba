//! Events appended by another program: checked against their types, personal texts sealed, with the caller as actor.
//!
//! The rules of aggregates do not apply: whoever appends events decides, and only tokens with that permission get here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Error, access::Caller, journal::Journal};
use crate::{
    domain::{
        booking,
        event::Event,
        ids::{BookingId, CorrelationId, EventId},
    },
    ports::event_store::EventStore,
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin},
        metadata::Metadata,
        sealing,
        stream::StreamName,
        upcast,
    },
};

/// Which events are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Known types with valid data; actor and times are set by this ledger.
    Known,
    /// Any type, with the sender's envelope: for another `syncledger` that keeps its ledger here.
    Any,
}

/// An event proposed by another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// The envelope fields it was sent with.
    pub metadata: Metadata,
    /// Its data: a JSON object.
    pub data: String,
}

/// Turns events proposed by `caller` into events that can be appended to `stream`.
///
/// # Errors
/// `Invalid` with the event and what to do; `Vault` and `Ledger` if these are unavailable.
pub async fn prepare(
    journal: &Journal,
    accept: Accept,
    caller: &Caller,
    stream: &StreamName,
    proposed: Vec<ProposedEvent>,
) -> Result<Vec<NewEvent>, Error> {
    let now = journal.clock().now();
    // From the first event's id, so that a repeated append is identical.
    let Some(root) = proposed.first().map(|event| event.id) else { return Ok(Vec::new()) };
    let mut events = Vec::with_capacity(proposed.len());
    for event in proposed {
        let id = event.id;
        let event = match accept {
            Accept::Any => event,
            Accept::Known => check_known(journal, stream, event).await.map_err(|error| naming_event(id, error))?,
        };
        events.push(enveloped(event, caller, root, now));
    }
    Ok(events)
}

fn naming_event(id: EventId, error: Error) -> Error {
    match error {
        Error::Invalid(why) => Error::Invalid(format!("event {id}: {why}")),
        other => other,
    }
}

fn enveloped(event: ProposedEvent, caller: &Caller, root: EventId, now: DateTime<Utc>) -> NewEvent {
    let ProposedEvent { id, kind, metadata, data } = event;
    NewEvent {
        id,
        schema: metadata.schema.unwrap_or_else(|| upcast::current(&kind)),
        kind,
        recorded_at: metadata.recorded_at.unwrap_or(now),
        effective_at: metadata.effective_at.unwrap_or(now),
        actor: metadata.actor.unwrap_or_else(|| Actor::new("token", caller.token.as_str())),
        origin: metadata.origin.unwrap_or(Origin::Api),
        correlation: CorrelationId(metadata.correlation.unwrap_or_else(|| root.to_string())),
        causation: metadata.causation,
        data,
    }
}

/// The event, if its type is known and belongs in the stream, with plain personal texts sealed.
async fn check_known(journal: &Journal, stream: &StreamName, mut event: ProposedEvent) -> Result<ProposedEvent, Error> {
    let invalid = |why: String| Err(Error::Invalid(why));
    let metadata = &event.metadata;
    if metadata.recorded_at.is_some() || metadata.actor.is_some() || metadata.origin.is_some() {
        return invalid(
            "its metadata contains recorded_at, actor or origin, which this ledger sets itself: leave them out"
                .to_owned(),
        );
    }
    if stream.id.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"._~@-".contains(&b))) {
        return invalid(format!("{stream} contains a character other than A-Z a-z 0-9 . _ ~ @ -"));
    }
    let mut data: Value =
        serde_json::from_str(&event.data).map_err(|e| Error::Invalid(format!("its data is not JSON: {e}")))?;
    let schema = metadata.schema.unwrap_or_else(|| upcast::current(&event.kind));
    // Texts sealed by another program must be readable, or the stream could not be read from here on.
    let mut opened = data.clone();
    journal.open_texts(event.id, &mut opened).await?.map_err(|e| Error::Invalid(e.to_string()))?;
    let fact =
        codec::from_data(&event.kind, schema, opened.clone()).map_err(|e| Error::Invalid(format!("its data: {e}")))?;
    if fact.category() != stream.category.as_str() {
        return invalid(format!("event type {} does not belong in stream {stream}", event.kind));
    }
    if let Event::Booking(booking::Event::Registered { source, source_ref, .. }) = &fact
        && BookingId::of_source(source, source_ref).as_str() != stream.id
    {
        return invalid(format!("a booking {source_ref:?} of {source} does not belong in stream {stream}"));
    }
    if sealing::plain_subjects(&data).is_empty() {
        return Ok(event);
    }
    event.data = match sealed_before(journal, event.id, &opened).await? {
        Some(stored) => stored,
        None => {
            journal.seal_texts(event.id, &event.kind, &mut data).await?;
            data.to_string()
        }
    };
    Ok(event)
}

/// The data of the stored event with that id, if its content is the same: sealing again gives other bytes, and a repeated
/// append would look different.
async fn sealed_before(journal: &Journal, id: EventId, opened: &Value) -> Result<Option<String>, Error> {
    let store: &Arc<dyn EventStore> = journal.store();
    let Some(stored) = store.find(id).await? else { return Ok(None) };
    let Ok(mut data) = serde_json::from_str::<Value>(&stored.event.data) else { return Ok(None) };
    let open = journal.open_texts(id, &mut data).await?.is_ok();
    Ok((open && data == *opened).then_some(stored.event.data))
}
