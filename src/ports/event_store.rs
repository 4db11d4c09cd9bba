//! The ledger: streams of immutable events in one total order.
//!
//! Contract, tested by `tests/it/conformance/event_store.rs` on every backend:
//! an append is acknowledged only after it is durable; positions have no gaps and are in commit order; versions of a stream
//! count from 0 without gaps; a reader that has seen position N has seen everything below it; repeating an append with the
//! same ids returns the first result.

use async_trait::async_trait;

use crate::{
    domain::{
        ids::{EventId, Position, Version},
        program_version::ProgramVersion,
    },
    record::{
        envelope::{NewEvent, StoredEvent},
        merkle::Hash,
        stream::StreamName,
    },
};

/// The stream version that the caller expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Any: append in any case.
    Any,
    /// The stream does not exist.
    NoStream,
    /// The last event has this version.
    Exact(Version),
}

impl ExpectedVersion {
    /// For a caller that folded a stream up to `last`.
    pub fn after(last: Option<Version>) -> Self {
        last.map_or(Self::NoStream, Self::Exact)
    }
}

/// Where an append was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendOutcome {
    /// The version of its last event.
    pub version: Version,
    /// The position of its last event.
    pub position: Position,
    /// Whether the same events already existed, so that nothing was written.
    pub repeated: bool,
}

/// Maximum number of events per append.
pub const APPEND_EVENTS_MAX: usize = 1_000;

/// Maximum size of an event's data, in bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Why an append or a read failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The stream has another version than expected. Load and decide again.
    #[error("{stream} {}, not where the caller expected it", place(*.actual))]
    Conflict {
        /// The stream.
        stream: StreamName,
        /// Its last version; `None` if it has no events.
        actual: Option<Version>,
    },
    /// An event with this id is already stored, elsewhere or with different content.
    #[error("event {0} is already recorded, with different content or in another place")]
    IdTaken(EventId),
    /// The append is empty, too large, or its data is not a JSON object.
    #[error("invalid append: {0}")]
    Invalid(String),
    /// The store is unavailable or no longer acknowledges; it is unknown whether anything was written. Retrying with
    /// the same ids is safe.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
    /// Stored data cannot be read: an operator must act.
    #[error("the ledger is damaged at {at}: {reason}")]
    Corrupt {
        /// Where.
        at: String,
        /// What is wrong there.
        reason: String,
    },
    /// A newer program has written what this one cannot read.
    #[error(
        "this ledger needs {}; this is {version}: upgrade this program, or go back to a copy of the ledger from before the upgrade \
         (docs/operating/upgrade.md)", needed(*.least)
    )]
    ProgramTooOld {
        /// The least version that can.
        least: ProgramVersion,
        /// The version of this program.
        version: ProgramVersion,
    },
}

fn needed(least: ProgramVersion) -> String {
    match least {
        ProgramVersion::UNREADABLE => {
            "a newer syncledger, which it names in a form that this one cannot read".to_owned()
        }
        least => format!("syncledger {least} or later"),
    }
}

fn place(actual: Option<Version>) -> String {
    actual.map_or_else(|| "has no events".to_owned(), |version| format!("is at version {version}"))
}

/// The ledger.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Appends `events` to `stream` in one durable step, all or none.
    ///
    /// # Errors
    /// See [`Failure`]. After `Unavailable` the events may or may not be stored: append them again with the same ids.
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure>;

    /// At most `limit` events of a stream from version `from`, ascending. Empty if there are none.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure>;

    /// The last event of a stream.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure>;

    /// At most `limit` events from position `from`, ascending.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure>;

    /// The event with this id.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure>;

    /// Number of events: the position of the next one.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn end(&self) -> Result<Position, Failure>;

    /// At most `limit` leaf hashes from position `from`, as stored.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn leaves(&self, from: Position, limit: usize) -> Result<Vec<Hash>, Failure> {
        Ok(self.read_all(from, limit).await?.into_iter().map(|it| it.leaf).collect())
    }

    /// Writes events at exactly their own positions, after the present end, and returns the new end. Nobody else may
    /// append meanwhile. After an error some of them may be stored, at their positions.
    ///
    /// # Errors
    /// `Invalid` if they do not follow the end or are not valid in an append, or as [`EventStore::append`].
    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure>;

    /// Returns once there is an event at `from`, even from another process, or after some time
    /// without one: the caller reads again in either case.
    async fn wait(&self, from: Position);
}
