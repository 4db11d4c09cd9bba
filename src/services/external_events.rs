//! Events from another program, appended as they are: checked against their types, personal texts sealed, and said by whom.
//!
//! No rule of an aggregate is asked: whoever appends events decides, and only tokens that may are let as far as here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Error, access::Caller, journal::Journal};
use crate::{
    domain::ids::{CorrelationId, EventId},
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

/// Which events are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Those whose type is known and whose data reads; who wrote them, and when, is ours to say.
    Known,
    /// Any, under whatever envelope they come with: for another `syncledger` that keeps its ledger here.
    Any,
}

/// An event as another program proposes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// What was said of its envelope.
    pub metadata: Metadata,
    /// Its data: a JSON object.
    pub data: String,
}

/// Turns what `caller` proposes into events fit to be appended to `stream`.
///
/// # Errors
/// `Invalid` names the event and what to do about it; `Vault` and `Ledger` where they do not answer.
pub async fn prepare(
    journal: &Journal,
    accept: Accept,
    caller: &Caller,
    stream: &StreamName,
    proposed: Vec<ProposedEvent>,
) -> Result<Vec<NewEvent>, Error> {
    let now = journal.clock().now();
    // Of the first event's id, so that an append that is repeated says the same.
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

/// The event, if it is one of ours and belongs into the stream; its plain personal texts sealed.
async fn check_known(journal: &Journal, stream: &StreamName, mut event: ProposedEvent) -> Result<ProposedEvent, Error> {
    let invalid = |why: String| Err(Error::Invalid(why));
    let said = &event.metadata;
    if said.recorded_at.is_some() || said.actor.is_some() || said.origin.is_some() {
        return invalid(
            "its metadata says recorded_at, actor or origin, which are this ledger's to say: leave them out".to_owned(),
        );
    }
    if stream.id.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"._~@-".contains(&b))) {
        return invalid(format!("{stream} has a character other than A-Z a-z 0-9 . _ ~ @ -"));
    }
    let mut data: Value =
        serde_json::from_str(&event.data).map_err(|e| Error::Invalid(format!("its data is not JSON: {e}")))?;
    let schema = said.schema.unwrap_or_else(|| upcast::current(&event.kind));
    // What another program sealed must open, or nobody could ever read on from here.
    let mut opened = data.clone();
    journal.open_texts(event.id, &mut opened).await?.map_err(|e| Error::Invalid(e.to_string()))?;
    let fact =
        codec::from_data(&event.kind, schema, opened.clone()).map_err(|e| Error::Invalid(format!("its data: {e}")))?;
    if fact.category() != stream.category.as_str() {
        return invalid(format!("a {} does not belong into stream {stream}", event.kind));
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

/// The data of the stored event of that id, where it says the same: sealed anew it would be other bytes, and a repeated
/// append would look like another fact.
async fn sealed_before(journal: &Journal, id: EventId, opened: &Value) -> Result<Option<String>, Error> {
    let store: &Arc<dyn EventStore> = journal.store();
    let Some(stored) = store.find(id).await? else { return Ok(None) };
    let Ok(mut data) = serde_json::from_str::<Value>(&stored.event.data) else { return Ok(None) };
    let open = journal.open_texts(id, &mut data).await?.is_ok();
    Ok((open && data == *opened).then_some(stored.event.data))
}
