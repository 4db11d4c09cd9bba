//! What is read: a stream by versions, or the whole ledger by positions. Both count from 0 without gaps, so pages
//! are found by counting in both directions.

use super::refusal::Refusal;
use crate::{
    domain::ids::{Position, Version},
    ports::event_store::EventStore,
    record::{envelope::StoredEvent, stream::StreamName},
};

/// Source of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// One stream.
    Stream(StreamName),
    /// The whole ledger.
    All,
}

impl Source {
    /// Version or position of an event in it.
    pub(super) fn place(&self, recorded: &StoredEvent) -> u64 {
        match self {
            Self::Stream(_) => recorded.version.0,
            Self::All => recorded.position.0,
        }
    }

    /// At most `limit` events from `from`, ascending.
    pub(super) async fn page(
        &self,
        store: &dyn EventStore,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Refusal> {
        // Databases count with i64.
        if i64::try_from(from).is_err() || limit == 0 {
            return Ok(Vec::new());
        }
        Ok(match self {
            Self::Stream(stream) => store.read_stream(stream, Version(from), limit).await?,
            Self::All => store.read_all(Position(from), limit).await?,
        })
    }

    /// Version or position of its last event.
    pub(super) async fn last(&self, store: &dyn EventStore) -> Result<Option<u64>, Refusal> {
        Ok(match self {
            Self::Stream(stream) => store.last(stream).await?.map(|recorded| recorded.version.0),
            Self::All => store.end().await?.0.checked_sub(1),
        })
    }
}
