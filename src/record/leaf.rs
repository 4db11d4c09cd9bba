//! Parses a leaf's bytes back into the event. Accepts only the one valid encoding.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    envelope::{Actor, NewEvent, Origin, StoredEvent, leaf_bytes, leaf_hash},
    stream::StreamName,
};
use crate::domain::ids::{CorrelationId, EventId, Position, Version};

/// Maximum size of a leaf, in bytes: writing data as a JSON string at most doubles it, and the rest is small.
pub const LEAF_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that are not a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLeaf(pub String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaf<'a> {
    id: EventId,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    version: u64,
    position: u64,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    schema: u16,
    recorded_at: DateTime<Utc>,
    effective_at: DateTime<Utc>,
    actor: Actor,
    origin: Origin,
    #[serde(borrow)]
    correlation: Cow<'a, str>,
    causation: Option<EventId>,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// The event of a leaf.
///
/// # Errors
/// [`InvalidLeaf`] if they differ from what [`leaf_bytes`] writes: every event has exactly one leaf.
pub fn read(bytes: &[u8]) -> Result<StoredEvent, InvalidLeaf> {
    if bytes.len() > LEAF_BYTES_MAX {
        return Err(InvalidLeaf(format!("it has {} bytes; the maximum is {LEAF_BYTES_MAX}", bytes.len())));
    }
    let leaf: Leaf<'_> = serde_json::from_slice(bytes).map_err(|e| InvalidLeaf(format!("not an event: {e}")))?;
    let recorded = StoredEvent {
        stream: StreamName::parse(&leaf.stream).map_err(|e| InvalidLeaf(e.to_string()))?,
        version: Version(leaf.version),
        position: Position(leaf.position),
        event: NewEvent {
            id: leaf.id,
            kind: leaf.r#type.into_owned(),
            schema: leaf.schema,
            recorded_at: leaf.recorded_at,
            effective_at: leaf.effective_at,
            actor: leaf.actor,
            origin: leaf.origin,
            correlation: CorrelationId(leaf.correlation.into_owned()),
            causation: leaf.causation,
            data: leaf.data.into_owned(),
        },
        leaf: leaf_hash(bytes),
    };
    if leaf_bytes(&leaf.stream, recorded.version, recorded.position, &recorded.event) == bytes {
        Ok(recorded)
    } else {
        Err(InvalidLeaf("its JSON is not in the exact form of a leaf".to_owned()))
    }
}
