//! Decodes stored events for read models, without keys: personal texts stay sealed.

use crate::{
    domain::{event::Event, ids::Position},
    record::{
        codec,
        envelope::{NewEvent, StoredEvent},
        sealing,
    },
};

/// An unreadable event. It is not skipped: projections that need it stop there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event at position {position} cannot be read: {reason}")]
pub struct UnreadableEvent {
    /// Its position.
    pub position: Position,
    /// Why it cannot be read. Contains no personal data.
    pub reason: String,
}

/// The decoded event, with personal texts sealed as [`sealing::close`] writes them, or empty if they were erased before
/// it was recorded. Uses no key, so the same event always gives the same result.
///
/// # Errors
/// [`UnreadableEvent`] if its type is unknown or its data does not match the type.
pub fn closed(recorded: &StoredEvent) -> Result<Event, UnreadableEvent> {
    let poison = |reason: &str| UnreadableEvent { position: recorded.position, reason: reason.to_owned() };
    let NewEvent { id, kind, schema, data, .. } = &recorded.event;
    let event = if sealing::holds_texts(data) {
        let mut data = serde_json::from_str(data).map_err(|_| poison("its data is not JSON"))?;
        sealing::close(&mut data, *id);
        codec::from_data(kind, *schema, data)
    } else {
        codec::from_text(kind, *schema, data)
    };
    event.map_err(|error| poison(&error.to_string()))
}
