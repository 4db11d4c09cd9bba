//! Converts events to and from the server's form. Total and lossless; the envelope is in `src/record/metadata.rs`.

use eventstore::{EventData, RecordedEvent};
use serde_json::value::RawValue;

use super::log_position::LogPosition;
use crate::{
    domain::ids::{EventId, Position, Version},
    ledger::append::leaf_at,
    ports::event_store::Failure,
    record::{
        envelope::{NewEvent, StoredEvent},
        metadata,
        stream::{Category, StreamName},
    },
};

/// Whether a stream of the server is in one of our categories; the filter of the subscription.
pub(super) fn is_ours(stream: &str) -> bool {
    Category::ALL
        .iter()
        .any(|category| stream.strip_prefix(category.as_str()).is_some_and(|rest| rest.starts_with('-')))
}

/// Prefixes of our stream names, one per category.
pub(super) fn prefixes() -> impl Iterator<Item = String> {
    Category::ALL.iter().map(|category| format!("{}-", category.as_str()))
}

/// An event to append on the server.
pub(super) fn to_server(event: &NewEvent) -> EventData {
    // The only way to have the client mark data as JSON without formatting it again. It would lose blanks after the
    // object, so data with trailing blanks is sent as bytes, which the server stores unchanged.
    let raw = serde_json::from_str::<&RawValue>(&event.data).ok().filter(|raw| raw.get().len() == event.data.len());
    let data = match raw.map(|raw| EventData::json(&event.kind, &raw)) {
        Some(Ok(data)) => data,
        Some(Err(_)) | None => EventData::binary(&event.kind, event.data.clone().into_bytes().into()),
    };
    data.id(event.id.0).metadata(metadata::write(event).into_bytes().into())
}

/// An event's place in the server's log.
pub(super) fn log_position(event: &RecordedEvent) -> LogPosition {
    LogPosition { commit: event.position.commit, prepare: event.position.prepare }
}

/// An event without its position.
pub(super) fn from_server(event: &RecordedEvent) -> Result<NewEvent, String> {
    let data = std::str::from_utf8(&event.data).map_err(|e| format!("its data is not text: {e}"))?;
    let metadata = metadata::read(&event.custom_metadata).map_err(|e| e.to_string())?;
    metadata.event(EventId(event.id), event.event_type.clone(), data.to_owned()).map_err(|e| e.to_string())
}

/// An event with our position.
pub(super) fn recorded(event: &RecordedEvent, position: Position) -> Result<StoredEvent, Failure> {
    let corrupt = |reason: String| Failure::Corrupt {
        at: format!("position {position} (revision {} of {:?} on the server)", event.revision, event.stream_id),
        reason,
    };
    let stream = StreamName::parse(&event.stream_id).map_err(|e| corrupt(e.to_string()))?;
    let content = from_server(event).map_err(corrupt)?;
    let version = Version(event.revision);
    let leaf = leaf_at(&event.stream_id, version, position, &content);
    Ok(StoredEvent { stream, version, position, event: content, leaf })
}
