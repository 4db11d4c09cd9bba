//! The ledger in memory: the port's contract without a disk.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    domain::ids::{EventId, Position, Version},
    ledger::{
        append::{PlacedEvent, Verdict, checked, judge, leaf_at},
        restore::by_appending,
    },
    ports::event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};

/// Maximum duration of [`EventStore::wait`].
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A ledger that lives as long as the process.
#[derive(Debug)]
pub struct MemoryLedger {
    state: Mutex<State>,
    end: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<StoredEvent>,
    /// For each stream, the index in `events` of each version.
    streams: HashMap<StreamName, Vec<usize>>,
    ids: HashMap<EventId, usize>,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self { state: Mutex::default(), end: watch::Sender::new(0) }
    }
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic leaves no inconsistent state, so a poisoned lock can be used.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(
        &mut self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let last = self.streams.get(stream).and_then(|versions| versions.last()).map(|at| self.events[*at].version);
        let stored = |id| self.ids.get(&id).map(|at| PlacedEvent::from(&self.events[*at]));
        let first = match judge(stream, expected, &events, last, stored)? {
            Verdict::Repeated(appended) => return Ok(appended),
            Verdict::Write(first) => first,
        };
        let name = stream.to_string();
        let mut appended = AppendOutcome { version: first, position: Position(0), repeated: false };
        for (event, version) in events.into_iter().zip((first.0..).map(Version)) {
            let index = self.events.len();
            let position = Position(index as u64);
            let leaf = leaf_at(&name, version, position, &event);
            self.streams.entry(stream.clone()).or_default().push(index);
            self.ids.insert(event.id, index);
            self.events.push(StoredEvent { stream: stream.clone(), version, position, event, leaf });
            appended = AppendOutcome { version, position, repeated: false };
        }
        Ok(appended)
    }
}

#[async_trait]
impl EventStore for MemoryLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let events = checked(stream, events)?;
        let mut state = self.state();
        let appended = state.append(stream, expected, events)?;
        self.end.send_replace(state.events.len() as u64);
        Ok(appended)
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let state = self.state();
        let Some(versions) = state.streams.get(stream) else { return Ok(Vec::new()) };
        let from = usize::try_from(from.0).unwrap_or(usize::MAX);
        Ok(versions.iter().skip(from).take(limit).map(|at| state.events[*at].clone()).collect())
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        let state = self.state();
        Ok(state.streams.get(stream).and_then(|versions| versions.last()).map(|at| state.events[*at].clone()))
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let from = usize::try_from(from.0).unwrap_or(usize::MAX);
        Ok(self.state().events.iter().skip(from).take(limit).cloned().collect())
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        let state = self.state();
        Ok(state.ids.get(&id).map(|at| state.events[*at].clone()))
    }

    async fn end(&self) -> Result<Position, Failure> {
        Ok(Position(self.state().events.len() as u64))
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, from: Position) {
        let mut end = self.end.subscribe();
        // The caller reads again in any case, after a timeout or a dropped sender as well.
        let _ = tokio::time::timeout(WAIT_MAX, end.wait_for(|end| *end > from.0)).await;
    }
}
