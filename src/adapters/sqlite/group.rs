//! A group of appends that share one commit: where each of their events goes, and what each caller will be told.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;

use super::rows::Placed;
use crate::{
    domain::ids::{EventId, Position, Version},
    ports::{
        append::{Standing, Verdict, judge, leaf_at},
        event_store::{Appended, Expected, Failure},
    },
    record::{
        envelope::{NewEvent, Recorded},
        stream::StreamName,
    },
};

/// One caller's append, checked, with the way back to the caller.
pub(super) struct Append {
    pub stream: StreamName,
    pub name: String,
    pub expected: Expected,
    pub events: Vec<NewEvent>,
    pub reply: oneshot::Sender<Result<Appended, Failure>>,
}

/// What will be written, and what will be answered once it is durable: one answer per append, in their order.
#[derive(Default)]
pub(super) struct Plan<'a> {
    pub rows: Vec<Placed<'a>>,
    pub answers: Vec<Result<Appended, Failure>>,
}

impl<'a> Plan<'a> {
    /// Places an append's events, the first at version `first`.
    fn place(&mut self, end: u64, append: &'a Append, first: Version) {
        let mut appended = Appended { version: first, position: Position(end), repeated: false };
        for (event, version) in append.events.iter().zip((first.0..).map(Version)) {
            let position = Position(end + self.rows.len() as u64);
            let leaf = leaf_at(&append.name, version, position, event);
            let at = Standing { stream: &append.stream, version, position, event };
            self.rows.push(Placed { at, stream: &append.name, leaf });
            appended = Appended { version, position, repeated: false };
        }
        self.answers.push(Ok(appended));
    }
}

/// How many streams' ends the writer remembers before it starts over: about 4 MB.
const STREAMS_MAX: usize = 16_384;

/// What the ledger looked like when this writer last saw it. Events only ever come, so as long as the end is the same
/// everything else is; and if it is not, the places predicted from it are taken and SQLite refuses the rows.
#[derive(Default)]
pub(super) struct Known {
    pub end: u64,
    lasts: HashMap<StreamName, Version>,
}

impl Known {
    pub fn at(end: u64) -> Self {
        Self { end, lasts: HashMap::new() }
    }

    /// Learns what was just committed.
    pub fn learn(&mut self, rows: &[Placed<'_>]) {
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
/// not) and SQLite refuses the group, which is then judged with a look at everything.
pub(super) fn predict<'a>(group: &'a [Append], known: &Known) -> Option<Plan<'a>> {
    let mut plan = Plan::default();
    let mut lasts: HashMap<&StreamName, Version> = HashMap::new();
    let mut ids = HashSet::new();
    for append in group {
        if !append.events.iter().all(|event| ids.insert(event.id)) {
            return None;
        }
        let last = lasts.get(&append.stream).or_else(|| known.lasts.get(&append.stream)).copied();
        let first = match (append.expected, last) {
            (Expected::NoStream, None) => Version(0),
            (Expected::Exact(version), None) if version.0 < i64::MAX as u64 => version.next(),
            (Expected::Exact(version), Some(last)) if version == last => version.next(),
            (Expected::Any, Some(last)) => last.next(),
            (Expected::NoStream, Some(_)) | (Expected::Exact(_), _) | (Expected::Any, None) => return None,
        };
        plan.place(known.end, append, first);
        if let Some(row) = plan.rows.last() {
            lasts.insert(&append.stream, row.at.version);
        }
    }
    Some(plan)
}

/// What was looked up for a group, under the write lock.
pub(super) struct Looked {
    pub end: u64,
    /// The last version of each stream of the group that has one.
    pub lasts: HashMap<String, Version>,
    /// Those of the group's ids that are stored.
    pub found: HashMap<EventId, Recorded>,
}

/// Judges each append of a group in turn, as if those before it were written already. One that is refused leaves no trace.
pub(super) fn judge_each<'a>(group: &'a [Append], looked: &Looked) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut lasts: HashMap<&str, Version> = looked.lasts.iter().map(|(name, last)| (name.as_str(), *last)).collect();
    let mut placed: HashMap<EventId, Standing<'a>> = HashMap::new();
    for append in group {
        let stored = |id| placed.get(&id).copied().or_else(|| looked.found.get(&id).map(Standing::from));
        let last = lasts.get(append.name.as_str()).copied();
        match judge(&append.stream, append.expected, &append.events, last, stored) {
            Err(failure) => plan.answers.push(Err(failure)),
            Ok(Verdict::Repeated(appended)) => plan.answers.push(Ok(appended)),
            Ok(Verdict::Write(first)) => {
                let before = plan.rows.len();
                plan.place(looked.end, append, first);
                for row in &plan.rows[before..] {
                    placed.insert(row.at.event.id, row.at);
                    lasts.insert(&append.name, row.at.version);
                }
            }
        }
    }
    plan
}
