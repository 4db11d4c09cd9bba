//! Restoring events at their original positions: validation for every backend, and a way that needs only
//! `append`.

use super::append::{checked as checked_append, leaf_at};
use crate::{
    domain::ids::{Position, Version},
    ports::event_store::{APPEND_EVENTS_MAX, EventStore, ExpectedVersion, Failure},
    record::envelope::{NewEvent, StoredEvent},
};

/// Checks that events are consecutive, are valid for an append, and match their leaf hashes.
///
/// # Errors
/// `Invalid`, with the position.
pub fn checked(events: &[StoredEvent]) -> Result<(), Failure> {
    let Some(first) = events.first() else { return Ok(()) };
    for (it, at) in events.iter().zip(first.position.0..) {
        let invalid = |why: String| Failure::Invalid(format!("position {}: {why}", it.position));
        if it.position != Position(at) {
            return Err(invalid(format!("expected position {at}")));
        }
        if it.leaf != leaf_at(&it.stream.to_string(), it.version, it.position, &it.event) {
            return Err(invalid("its leaf hash does not match".to_owned()));
        }
        let taken = checked_append(&it.stream, vec![it.event.clone()]).map_err(|e| invalid(e.to_string()))?;
        if taken.first() != Some(&it.event) {
            return Err(invalid("its times must not be finer than a microsecond".to_owned()));
        }
    }
    Ok(())
}

/// The failure when events do not follow the ledger's end.
pub fn misplaced(events: &[StoredEvent]) -> Failure {
    let at = events.first().map_or(Position(0), |it| it.position);
    Failure::Invalid(format!("the events from position {at} do not follow the end of the ledger"))
}

/// Restores through [`EventStore::append`]: one append for each run of events in one stream.
///
/// # Errors
/// As [`EventStore::restore`].
pub async fn by_appending<S: EventStore + ?Sized>(store: &S, events: Vec<StoredEvent>) -> Result<Position, Failure> {
    checked(&events)?;
    let end = store.end().await?;
    if events.first().is_some_and(|first| first.position != end) {
        return Err(misplaced(&events));
    }
    let mut at = 0;
    while let Some(first) = events.get(at) {
        let same = events[at..].iter().take(APPEND_EVENTS_MAX).take_while(|it| it.stream == first.stream).count();
        let run: Vec<NewEvent> = events[at..at + same].iter().map(|it| it.event.clone()).collect();
        let last = first.version.0.checked_sub(1).map(Version);
        let appended = store.append(&first.stream, ExpectedVersion::after(last), run).await?;
        if appended.repeated || Some(appended.position) != events.get(at + same - 1).map(|it| it.position) {
            let detail =
                format!("{} was written at another position: another process is writing to this ledger", first.stream);
            return Err(Failure::Corrupt { at: format!("position {}", first.position), reason: detail });
        }
        at += same;
    }
    Ok(Position(end.0 + events.len() as u64))
}
