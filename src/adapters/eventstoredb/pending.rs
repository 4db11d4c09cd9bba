//! Appends that were sent and have not arrived in the log. Arriving events are compared with what was sent.
//!
//! The server compares ids, not contents, and answers a repeated append like the first one. So whether an event is ours,
//! a repeat, or a different event with the same id is decided here, from the log itself. This also completes appends
//! whose answer was lost.

use std::{collections::HashMap, sync::Arc};

use eventstore::RecordedEvent;
use tokio::sync::oneshot;

use super::mapping::from_server;
use crate::{domain::ids::EventId, record::envelope::NewEvent};

/// What arrived in place of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppendSighting {
    /// Its events, the last at `position`.
    Stored {
        /// Position of the last event.
        position: u64,
        /// Whether somebody else wrote the same events before.
        repeated: bool,
    },
    /// An event with this id but different content.
    IdTaken(EventId),
    /// Another event: the version is taken.
    Displaced,
}

/// Appends by stream: at most one per stream (`claims.rs`).
#[derive(Default)]
pub(super) struct Pendings(HashMap<String, Pending>);

struct Pending {
    first: u64,
    events: Arc<Vec<NewEvent>>,
    repeated: bool,
    taken: Option<EventId>,
    done: oneshot::Sender<AppendSighting>,
}

impl Pendings {
    /// Starts waiting. Ends an earlier wait for the stream.
    pub fn add(&mut self, stream: &str, first: u64, events: &Arc<Vec<NewEvent>>) -> oneshot::Receiver<AppendSighting> {
        let (done, seen) = oneshot::channel();
        let pending = Pending { first, events: Arc::clone(events), repeated: false, taken: None, done };
        self.0.insert(stream.to_owned(), pending);
        seen
    }

    /// Ends a wait that nobody needs any more.
    pub fn remove(&mut self, stream: &str) {
        self.0.remove(stream);
    }

    /// Ends every wait: nothing arrives any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Processes an event that arrived.
    pub fn take(&mut self, event: &RecordedEvent, position: u64) {
        let Some(pending) = self.0.get_mut(&event.stream_id) else { return };
        let Some(place) = event.revision.checked_sub(pending.first) else { return };
        let Some(sent) = usize::try_from(place).ok().and_then(|place| pending.events.get(place)) else { return };
        let seen = if sent.id.0 != event.id {
            AppendSighting::Displaced
        } else {
            match from_server(event) {
                Ok(stored) if sent.repeats(&stored) => pending.repeated |= sent.recorded_at != stored.recorded_at,
                Ok(_) | Err(_) => pending.taken = pending.taken.or(Some(sent.id)),
            }
            if place + 1 < pending.events.len() as u64 {
                return;
            }
            pending
                .taken
                .map_or(AppendSighting::Stored { position, repeated: pending.repeated }, AppendSighting::IdTaken)
        };
        if let Some(pending) = self.0.remove(&event.stream_id) {
            // The caller may have given up.
            pending.done.send(seen).ok();
        }
    }
}
