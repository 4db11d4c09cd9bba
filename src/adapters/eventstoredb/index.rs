//! The index: maps our positions to places in the server's log and back, finds positions by event id, and remembers the
//! last versions of recently written streams.
//!
//! Memory: 8 bytes per event for its place and 14 to 19 for its id (`ids.rs`), plus a quarter for growth: 22 to 32 bytes.

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

/// Maximum number of stream ends remembered before it starts over: about 8 MB.
const STREAMS_MAX: usize = 65_536;

/// Why the index accepts no more events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum IndexFailure {
    /// It is full.
    #[error("there are more than 4 billion events, which is more than the index can hold")]
    Full,
    /// An event is missing.
    #[error(
        "revision {missing} of {stream} is missing before revision {found}: the stream was probably truncated or scavenged. \
         A ledger needs all its events: restore the server from its backup, or restart if the server still has them"
    )]
    Gap {
        /// The stream.
        stream: String,
        /// The expected revision.
        missing: u64,
        /// The revision that arrived.
        found: u64,
    },
}

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    commits: Vec<u64>,
    /// Events whose prepare position differs, which only transactions of old clients and multi-stream appends cause.
    prepares: BTreeMap<usize, u64>,
    ids: Ids,
    lasts: HashMap<String, u64>,
    /// Whether `lasts` was reset, so that a stream missing from it may have events.
    forgetful: bool,
    /// Everything up to here has been processed, including foreign events.
    seen: Option<LogPosition>,
    /// Our appends that have not arrived yet.
    pub pendings: Pendings,
    /// The newest events.
    pub recent: Recent,
}

/// The last version of a stream, according to the index. There may be more events, never fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// This revision.
    At(u64),
    /// No events.
    Nowhere,
    /// Unknown, because it was not written recently.
    Unknown,
}

impl Index {
    /// Number of events.
    pub fn end(&self) -> u64 {
        self.commits.len() as u64
    }

    /// The place up to which everything has been processed.
    pub fn seen(&self) -> Option<LogPosition> {
        self.seen
    }

    /// Adds the next event of the log. Known and foreign events change nothing.
    ///
    /// Revisions of a stream must arrive without gaps: otherwise positions would be wrong for ever.
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

    /// The place of a position in the log.
    pub fn log_at(&self, position: u64) -> Option<LogPosition> {
        let at = usize::try_from(position).ok()?;
        self.commits.get(at).map(|commit| self.whole(at, *commit))
    }

    /// The position of a place in the log.
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

    /// Positions that may have this id.
    pub fn candidates(&self, id: EventId) -> Vec<u64> {
        self.ids.candidates(id.0.as_u128())
    }

    /// The last version of a stream.
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

    /// Starts waiting for `events` as revisions `first` and up of `stream`; `None` if one of their ids may
    /// already have arrived.
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
