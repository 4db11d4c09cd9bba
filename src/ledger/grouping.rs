//! Group commit: places the events of several appends, and determines the result of each. Used by
//! ledgers that assign positions themselves.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
};

use tokio::sync::oneshot;

use super::append::{PlacedEvent, Verdict, judge, leaf_at};
use crate::{
    domain::ids::{EventId, Position, Version},
    ports::event_store::{AppendOutcome, ExpectedVersion, Failure},
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};

/// A group accepts no more appends once it has this many events.
pub const GROUP_EVENTS_MAX: usize = 1_024;

/// A group accepts no more appends once its data has this many bytes.
pub const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A validated append.
#[derive(Debug)]
pub struct Request {
    /// The stream.
    pub stream: StreamName,
    /// Its name as text.
    pub name: String,
    /// The version expected by the caller.
    pub expected: ExpectedVersion,
    /// The events to append.
    pub events: Vec<NewEvent>,
}

impl Request {
    /// Size of its data, in bytes.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(|e| e.data.len()).sum()
    }
}

/// A caller's append, with the channel for its result.
#[derive(Debug)]
pub struct Append {
    /// The append.
    pub request: Request,
    /// The channel for the result.
    pub reply: oneshot::Sender<Result<AppendOutcome, Failure>>,
}

impl Borrow<Request> for Append {
    fn borrow(&self) -> &Request {
        &self.request
    }
}

/// An event with its position and hash, ready to be written.
#[derive(Debug)]
pub struct PlacedRow<'a> {
    /// Its stream, version and position.
    pub at: PlacedEvent<'a>,
    /// Its stream's name as text.
    pub stream: &'a str,
    /// Its leaf hash there.
    pub leaf: [u8; 32],
}

/// The rows to write, and the results to return once they are durable.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// In order of position.
    pub rows: Vec<PlacedRow<'a>>,
    /// One per append, in order.
    pub answers: Vec<Result<AppendOutcome, Failure>>,
}

impl<'a> Plan<'a> {
    /// Places an append's events, the first at version `first`.
    fn place(&mut self, end: u64, append: &'a Request, first: Version) {
        let mut appended = AppendOutcome { version: first, position: Position(end), repeated: false };
        for (event, version) in append.events.iter().zip((first.0..).map(Version)) {
            let position = Position(end + self.rows.len() as u64);
            let leaf = leaf_at(&append.name, version, position, event);
            let at = PlacedEvent { stream: &append.stream, version, position, event };
            self.rows.push(PlacedRow { at, stream: &append.name, leaf });
            appended = AppendOutcome { version, position, repeated: false };
        }
        self.answers.push(Ok(appended));
    }
}

/// Number of stream ends a writer remembers before it starts over: about 4 MB.
const STREAMS_MAX: usize = 16_384;

/// The ledger as this writer last saw it. Events are only ever added, so while the end is the same, everything
/// else is too; if it is not, the predicted positions are taken and the
/// database refuses the rows.
#[derive(Debug, Default)]
pub struct KnownEnds {
    /// Number of events.
    pub end: u64,
    lasts: HashMap<StreamName, Version>,
}

impl KnownEnds {
    /// Nothing is known but the end.
    pub fn at(end: u64) -> Self {
        Self { end, lasts: HashMap::new() }
    }

    /// Records what was just committed.
    pub fn learn(&mut self, rows: &[PlacedRow<'_>]) {
        if self.lasts.len() + rows.len() > STREAMS_MAX {
            self.lasts.clear();
        }
        self.end += rows.len() as u64;
        for row in rows {
            if let Some(last) = self.lasts.get_mut(row.at.stream) {
                *last = row.at.version;
            } else {
                self.lasts.insert(row.at.stream.clone(), row.at.version);
            }
        }
    }
}

/// Places a group by what is known, without a query; `None` if that is not enough or an append may be refused.
///
/// For an unknown stream, the caller's expected version is trusted: if it is wrong, the row's position is taken (or the one
/// before it is missing) and the database refuses the group, which is then judged with queries.
pub fn predict<'a, A: Borrow<Request>>(group: &'a [A], known: &KnownEnds) -> Option<Plan<'a>> {
    let mut plan = Plan::default();
    let mut lasts: HashMap<&StreamName, Version> = HashMap::new();
    let mut ids = HashSet::new();
    for append in group.iter().map(Borrow::borrow) {
        if !append.events.iter().all(|event| ids.insert(event.id)) {
            return None;
        }
        let last = lasts.get(&append.stream).or_else(|| known.lasts.get(&append.stream)).copied();
        let first = match (append.expected, last) {
            (ExpectedVersion::NoStream, None) => Version(0),
            (ExpectedVersion::Exact(version), None) if version.0 < i64::MAX as u64 => version.next(),
            (ExpectedVersion::Exact(version), Some(last)) if version == last => version.next(),
            (ExpectedVersion::Any, Some(last)) => last.next(),
            (ExpectedVersion::NoStream, Some(_)) | (ExpectedVersion::Exact(_), _) | (ExpectedVersion::Any, None) => {
                return None;
            }
        };
        plan.place(known.end, append, first);
        if let Some(row) = plan.rows.last() {
            lasts.insert(&append.stream, row.at.version);
        }
    }
    Some(plan)
}

/// What was queried for a group, under the write lock.
#[derive(Debug)]
pub struct StoredState {
    /// Number of events.
    pub end: u64,
    /// The last version of each existing stream of the group.
    pub lasts: HashMap<String, Version>,
    /// Those of the group's ids that are already stored.
    pub found: HashMap<EventId, StoredEvent>,
}

/// Judges each append of a group in turn, as if those before it were already written. A refused one has no effect.
pub fn judge_each<'a, A: Borrow<Request>>(group: &'a [A], stored_state: &StoredState) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut lasts: HashMap<&str, Version> =
        stored_state.lasts.iter().map(|(name, last)| (name.as_str(), *last)).collect();
    let mut placed: HashMap<EventId, PlacedEvent<'a>> = HashMap::new();
    for append in group.iter().map(Borrow::borrow) {
        let stored = |id| placed.get(&id).copied().or_else(|| stored_state.found.get(&id).map(PlacedEvent::from));
        let last = lasts.get(append.name.as_str()).copied();
        match judge(&append.stream, append.expected, &append.events, last, stored) {
            Err(failure) => plan.answers.push(Err(failure)),
            Ok(Verdict::Repeated(appended)) => plan.answers.push(Ok(appended)),
            Ok(Verdict::Write(first)) => {
                let before = plan.rows.len();
                plan.place(stored_state.end, append, first);
                for row in &plan.rows[before..] {
                    placed.insert(row.at.event.id, row.at);
                    lasts.insert(&append.name, row.at.version);
                }
            }
        }
    }
    plan
}
