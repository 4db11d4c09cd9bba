//! The ledger: streams of immutable events in one total order.
//!
//! Contract, held by `tests/it/conformance/event_store.rs` on every backend:
//! an append is acknowledged only after it is durable; positions are gapless and in commit order; versions of a stream
//! are dense from 0; a reader that has seen position N has seen everything below it; appending the same ids again at the
//! same place answers the first result again.

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

/// What the caller believes about the stream's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Nothing: append whatever is there.
    Any,
    /// The stream has no event yet.
    NoStream,
    /// The last event has this version.
    Exact(Version),
}

impl ExpectedVersion {
    /// The expectation of one who folded a stream up to `last`.
    pub fn after(last: Option<Version>) -> Self {
        last.map_or(Self::NoStream, Self::Exact)
    }
}

/// Where an append ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendOutcome {
    /// The version of its last event.
    pub version: Version,
    /// The position of its last event.
    pub position: Position,
    /// Whether these very events were there already, and nothing was written now.
    pub repeated: bool,
}

/// The most events one append may carry.
pub const APPEND_EVENTS_MAX: usize = 1_000;

/// The largest data of one event, in bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Why an append or a read did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The stream's end is not what the caller expected. Load again, decide again.
    #[error("{stream} is at {actual:?}, not where the caller expected it")]
    Conflict {
        /// The stream.
        stream: StreamName,
        /// Its last version; `None` where it has no event.
        actual: Option<Version>,
    },
    /// An event with this id is stored already, elsewhere or with other content.
    #[error("event {0} is recorded already, with other content or at another place")]
    IdTaken(EventId),
    /// The append is empty, too large, or its data is not a JSON object.
    #[error("not an append: {0}")]
    Invalid(String),
    /// The store cannot be reached or has stopped acknowledging; nothing is known to be written. Retrying with the same
    /// ids is safe.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
    /// What is stored cannot be read: an operator must look.
    #[error("the ledger is damaged at {at}: {reason}")]
    Corrupt {
        /// Where.
        at: String,
        /// What is wrong there.
        reason: String,
    },
    /// A newer program has written what this one cannot read.
    #[error(
        "this ledger needs syncledger {least} or later; this is {version}: upgrade this program, or go back to a copy of the \
         ledger from before the upgrade (docs/operating/upgrade.md)"
    )]
    ProgramTooOld {
        /// The least version that can.
        least: ProgramVersion,
        /// The version of this program.
        version: ProgramVersion,
    },
}

/// The ledger.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Appends `events` to `stream` in one durable step, all or none.
    ///
    /// # Errors
    /// See [`Failure`]. After `Unavailable` the events may or may not be there: append them again with the same ids.
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure>;

    /// At most `limit` events of a stream from version `from` on, ascending. Empty where there are none.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure>;

    /// The last event of a stream.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure>;

    /// At most `limit` events from position `from` on, ascending.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure>;

    /// The event with this id.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure>;

    /// How many events there are: the position the next one will have.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn end(&self) -> Result<Position, Failure>;

    /// At most `limit` leaf hashes from position `from` on, as they are stored.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn leaves(&self, from: Position, limit: usize) -> Result<Vec<Hash>, Failure> {
        Ok(self.read_all(from, limit).await?.into_iter().map(|it| it.leaf).collect())
    }

    /// Writes events at exactly the places they bear, following the present end, and answers the new end. Nobody else may
    /// append meanwhile. After an error some of them may be there: those are at their places.
    ///
    /// # Errors
    /// `Invalid` where they do not follow the end or are not what an append may carry, or as [`EventStore::append`].
    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure>;

    /// Returns once there is an event at `from`, however it got there (another process included), or after a while
    /// without one: the caller reads again either way.
    async fn wait(&self, from: Position);
}
