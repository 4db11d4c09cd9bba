//! The newest events, as the subscription brought them: who follows the ledger's end, or reads what was just written, need
//! not ask the server, which costs 40 ms over the client's sockets.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use eventstore::RecordedEvent;

/// The most events that are kept.
const EVENTS_MAX: usize = 8_192;

/// The most bytes of data and metadata that are kept.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Events without a gap, up to the index's end.
#[derive(Default)]
pub(super) struct Recent {
    /// The position of the first.
    first: u64,
    events: VecDeque<Arc<RecordedEvent>>,
    /// Where those of each stream are, ascending.
    streams: HashMap<String, VecDeque<u64>>,
    bytes: usize,
}

impl Recent {
    /// Keeps an event at the index's end.
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

    /// All events of a stream from a revision on, with their positions; `None` where older ones may be among them.
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
