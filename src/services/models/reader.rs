//! Stored events as facts for read models: decoded without any key, personal texts as they stand sealed.

use crate::{
    domain::{event::Event, ids::Position},
    record::{codec, envelope::StoredEvent, sealing},
};

/// An event that cannot be read. It stays where it is: whoever needs it stops in front of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event at position {position} cannot be read: {reason}")]
pub struct UnreadableEvent {
    /// Where it stands.
    pub position: Position,
    /// What hinders. No personal data.
    pub reason: String,
}

/// The fact, every personal text in it closed: as [`sealing::close`] writes it, or nothing where it was forgotten before it
/// was recorded. Asks nobody, so that the same event gives the same fact for ever.
///
/// # Errors
/// [`UnreadableEvent`] where its type is not known, or its data is not what the type says.
pub fn closed(recorded: &StoredEvent) -> Result<Event, UnreadableEvent> {
    let poison = |reason: &str| UnreadableEvent { position: recorded.position, reason: reason.to_owned() };
    let mut data = serde_json::from_str(&recorded.event.data).map_err(|_| poison("its data is not JSON"))?;
    sealing::close(&mut data, recorded.event.id);
    codec::from_data(&recorded.event.kind, recorded.event.schema, data).map_err(|error| poison(&error.to_string()))
}
