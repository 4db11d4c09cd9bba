//! Cache of the newest events received by the subscription: following the ledger's end, or reading what was just written,
//! needs no call to the server, which costs 40 ms on the client's sockets.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use eventstore::RecordedEvent;

/// Maximum number of cached events.
const EVENTS_MAX: usize = 8_192;

/// Maximum size of cached data and metadata, in bytes.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Events without gaps, up to the end of the index.
#[derive(Default)]
pub(super) struct Recent {
    /// Position of the first event.
    first: u64,
    events: VecDeque<Arc<RecordedEvent>>,
    /// Positions of each stream's events, ascending.
    streams: HashMap<String, VecDeque<u64>>,
    bytes: usize,
}

impl Recent {
    /// Adds an event at the end of the index.
    pub fn push(&mut self, position: u64, event: RecordedEvent) {
        if position != self.first + self.events.len() as u64 {
            *self = Self { first: position, ..Self::default() };
        }
        self.bytes += size(&event);
        self.streams.entry(event.stream_id.clone()).or_default().push_back(position);
        self.events.push_back(Arc::new(event));
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(event) = self.events.pop_front() else { return };
        self.first += 1;
        self.bytes -= size(&event);
        if let Some(positions) = self.streams.get_mut(&event.stream_id) {
            positions.pop_front();
            if positions.is_empty() {
                self.streams.remove(&event.stream_id);
            }
        }
    }

    /// The event at a position.
    pub fn at(&self, position: u64) -> Option<Arc<RecordedEvent>> {
        let at = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.events.get(at).map(Arc::clone)
    }

    /// All events of a stream from a revision, with their positions; `None` if older ones may be missing.
    pub fn of_stream(&self, stream: &str, from: u64, limit: usize) -> Option<Vec<(u64, Arc<RecordedEvent>)>> {
        let positions = self.streams.get(stream)?;
        let first = self.at(*positions.front()?)?;
        let passed = usize::try_from(from.checked_sub(first.revision)?).ok()?;
        let found = positions.iter().skip(passed).take(limit);
        Some(found.filter_map(|position| Some((*position, self.at(*position)?))).collect())
    }
}

fn size(event: &RecordedEvent) -> usize {
    event.data.len() + event.custom_metadata.len() + event.stream_id.len() + 512
}
