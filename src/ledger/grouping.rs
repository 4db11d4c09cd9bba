//! A group of appends that share one commit: where each of their events goes, and what each caller will be told. Shared by
//! the ledgers that keep positions themselves.

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

/// A group takes no further append once it has this many events.
pub const GROUP_EVENTS_MAX: usize = 1_024;

/// A group takes no further append once its data has this many bytes.
pub const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One caller's append, checked.
#[derive(Debug)]
pub struct Request {
    /// The stream.
    pub stream: StreamName,
    /// Its name as text.
    pub name: String,
    /// What the caller believes about its end.
    pub expected: ExpectedVersion,
    /// What is to be appended.
    pub events: Vec<NewEvent>,
}

impl Request {
    /// How many bytes of data it carries.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(|e| e.data.len()).sum()
    }
}

/// One caller's append, with the way back to the caller.
#[derive(Debug)]
pub struct Append {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<AppendOutcome, Failure>>,
}

impl Borrow<Request> for Append {
    fn borrow(&self) -> &Request {
        &self.request
    }
}

/// An event with its place and hash, ready to be written.
#[derive(Debug)]
pub struct PlacedRow<'a> {
    /// Its place.
    pub at: PlacedEvent<'a>,
    /// Its stream's name as text.
    pub stream: &'a str,
    /// Its leaf hash there.
    pub leaf: [u8; 32],
}

/// What will be written, and what will be answered once it is durable.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// In the order of their positions.
    pub rows: Vec<PlacedRow<'a>>,
    /// One per append, in their order.
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

/// How many streams' ends the writer remembers before it starts over: about 4 MB.
const STREAMS_MAX: usize = 16_384;

/// What the ledger looked like when this writer last saw it. Events only ever come, so as long as the end is the same
/// everything else is; and if it is not, the places predicted from it are taken and the
/// database refuses the rows.
#[derive(Debug, Default)]
pub struct KnownEnds {
    /// How many events there are.
    pub end: u64,
    lasts: HashMap<StreamName, Version>,
}

impl KnownEnds {
    /// Nothing but the end.
    pub fn at(end: u64) -> Self {
        Self { end, lasts: HashMap::new() }
    }

    /// Learns what was just committed.
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

/// Places a group by what is known, without asking; `None` where that needs a look or an append may be refused.
///
/// An unknown stream is taken at its caller's word: were the word wrong, the row's place is taken (or the one before it is
/// not) and the database refuses the group, which is then judged with a look at everything.
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

/// What was looked up for a group, under the write lock.
#[derive(Debug)]
pub struct StoredState {
    /// How many events there are.
    pub end: u64,
    /// The last version of each stream of the group that has one.
    pub lasts: HashMap<String, Version>,
    /// Those of the group's ids that are stored.
    pub found: HashMap<EventId, StoredEvent>,
}

/// Judges each append of a group in turn, as if those before it were written already. One that is refused leaves no trace.
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
