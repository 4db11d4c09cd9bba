//! The index: which place in the server's log each of our positions is, and back; which positions may hold an id; where
//! streams end, for those that were written to of late.
//!
//! Memory: 8 bytes per event for its place and 14 to 19 for its id (`ids.rs`), a quarter more for growth: 22 to 32 bytes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use eventstore::RecordedEvent;
use tokio::sync::oneshot;

use super::{
    ids::{Ids, grow_by_a_quarter},
    log_position::LogPosition,
    mapping::{is_ours, log_position},
    pending::{AppendSighting, Pendings},
    recent::Recent,
};
use crate::{domain::ids::EventId, record::envelope::NewEvent};

/// How many streams' ends are remembered before it starts over: about 8 MB.
const STREAMS_MAX: usize = 65_536;

/// Why the index takes no more events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum IndexFailure {
    /// It holds as many as it can.
    #[error("there are more than 4 billion events, which is more than the index can hold")]
    Full,
    /// An event is missing that the server must have had.
    #[error(
        "revision {missing} of {stream} did not come by before revision {found}: was the stream truncated or scavenged? \
         A ledger needs all its events: restore the server from its backup, or restart if the server itself has them"
    )]
    Gap {
        /// The stream.
        stream: String,
        /// What should have come.
        missing: u64,
        /// What came.
        found: u64,
    },
}

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    commits: Vec<u64>,
    /// Where an event's two places differ, which only transactions of old clients and of several streams cause.
    prepares: BTreeMap<usize, u64>,
    ids: Ids,
    lasts: HashMap<String, u64>,
    /// Whether `lasts` has been started over, so that a stream that is not in it may have events.
    forgetful: bool,
    /// Everything up to here has been looked at, other people's events included.
    seen: Option<LogPosition>,
    /// Appends of ours that wait to come by.
    pub pendings: Pendings,
    /// The newest events themselves.
    pub recent: Recent,
}

/// Where a stream ends, as far as the index has come. It may have more events by now, never fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With this revision.
    At(u64),
    /// It has no events.
    Nowhere,
    /// It was not written to lately.
    Unknown,
}

impl Index {
    /// How many events there are.
    pub fn end(&self) -> u64 {
        self.commits.len() as u64
    }

    /// Up to where everything has been looked at.
    pub fn seen(&self) -> Option<LogPosition> {
        self.seen
    }

    /// Takes the next event of the log. One that was taken already, or is not ours, changes no position.
    ///
    /// Revisions of a stream must come without a gap: positions that were given out in spite of one would be wrong for ever.
    pub fn take(&mut self, event: &RecordedEvent) -> Result<(), IndexFailure> {
        let log = log_position(event);
        if self.seen.is_some_and(|seen| log <= seen) {
            return Ok(());
        }
        if is_ours(&event.stream_id) {
            self.check(&event.stream_id, event.revision)?;
            let position = self.end();
            self.ids.push(event.id.as_u128()).map_err(|_| IndexFailure::Full)?;
            if log.prepare != log.commit {
                self.prepares.insert(self.commits.len(), log.prepare);
            }
            grow_by_a_quarter(&mut self.commits);
            self.commits.push(log.commit);
            self.remember(&event.stream_id, event.revision);
            self.pendings.take(event, position);
        }
        self.seen = Some(log);
        Ok(())
    }

    fn check(&self, stream: &str, found: u64) -> Result<(), IndexFailure> {
        let missing = match self.end_of(stream) {
            End::At(last) => last + 1,
            End::Nowhere => 0,
            End::Unknown => return Ok(()),
        };
        if missing == found { Ok(()) } else { Err(IndexFailure::Gap { stream: stream.to_owned(), missing, found }) }
    }

    /// The place of a position.
    pub fn log_at(&self, position: u64) -> Option<LogPosition> {
        let at = usize::try_from(position).ok()?;
        self.commits.get(at).map(|commit| self.whole(at, *commit))
    }

    /// The position of a place.
    pub fn position_of(&self, log: LogPosition) -> Option<u64> {
        let mut at = self.commits.partition_point(|commit| *commit < log.commit);
        while self.commits.get(at) == Some(&log.commit) {
            if self.whole(at, log.commit) == log {
                return Some(at as u64);
            }
            at += 1;
        }
        None
    }

    fn whole(&self, at: usize, commit: u64) -> LogPosition {
        LogPosition { commit, prepare: self.prepares.get(&at).copied().unwrap_or(commit) }
    }

    /// The positions that may hold an id.
    pub fn candidates(&self, id: EventId) -> Vec<u64> {
        self.ids.candidates(id.0.as_u128())
    }

    /// Where a stream ends.
    pub fn end_of(&self, stream: &str) -> End {
        match self.lasts.get(stream) {
            Some(last) => End::At(*last),
            None if self.forgetful => End::Unknown,
            None => End::Nowhere,
        }
    }

    fn remember(&mut self, stream: &str, revision: u64) {
        if let Some(last) = self.lasts.get_mut(stream) {
            *last = revision;
            return;
        }
        if self.lasts.len() >= STREAMS_MAX {
            self.lasts.clear();
            self.forgetful = true;
        }
        self.lasts.insert(stream.to_owned(), revision);
    }

    /// Begins to wait for `events` to come by as revisions `first` and up of `stream`; `None` where one of their ids may
    /// have come by already.
    pub fn await_append(
        &mut self,
        stream: &str,
        first: u64,
        events: &Arc<Vec<NewEvent>>,
    ) -> Option<oneshot::Receiver<AppendSighting>> {
        if events.iter().any(|event| !self.candidates(event.id).is_empty()) {
            return None;
        }
        Some(self.pendings.add(stream, first, events))
    }
}
