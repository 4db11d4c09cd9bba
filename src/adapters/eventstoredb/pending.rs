//! Appends that were sent and wait to come by in the log. What comes by is compared with what was sent.
//!
//! The server tells ids apart, not contents, and it answers a repeat as it answered the first time. So whether an append was
//! ours, a repeat, or another event under the same id is seen here, from the log itself. It also settles appends
//! whose answer was lost.

use std::{collections::HashMap, sync::Arc};

use eventstore::RecordedEvent;
use tokio::sync::oneshot;

use super::mapping::from_server;
use crate::{domain::ids::EventId, record::envelope::NewEvent};

/// What came by where an append belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppendSighting {
    /// These events, the last at `position`.
    Stored {
        /// The position of the last.
        position: u64,
        /// Whether somebody else wrote the same facts before.
        repeated: bool,
    },
    /// An event with this id, but with other content.
    IdTaken(EventId),
    /// Another event: the place is gone.
    Displaced,
}

/// Appends by stream: there is one at a time of each (`claims.rs`).
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
    /// Begins to wait. An earlier wait for the stream ends.
    pub fn add(&mut self, stream: &str, first: u64, events: &Arc<Vec<NewEvent>>) -> oneshot::Receiver<AppendSighting> {
        let (done, seen) = oneshot::channel();
        let pending = Pending { first, events: Arc::clone(events), repeated: false, taken: None, done };
        self.0.insert(stream.to_owned(), pending);
        seen
    }

    /// Ends a wait that nobody is interested in any more.
    pub fn remove(&mut self, stream: &str) {
        self.0.remove(stream);
    }

    /// Ends every wait: nothing comes by any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Looks at an event that came by.
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
            // A caller that has given up is told nothing.
            pending.done.send(seen).ok();
        }
    }
}
