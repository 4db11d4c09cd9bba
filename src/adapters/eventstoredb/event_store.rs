//! [`EventStore`] on the server. The calls are in `append.rs` and `read.rs`, the state that they share is in `shared.rs`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{append::append, read, shared::Shared};
use crate::{
    domain::ids::{EventId, Position, Version},
    ledger::{append::checked, restore::by_appending},
    ports::{
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
        upkeep::Upkeep,
    },
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};

/// Maximum duration of [`EventStore::wait`].
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A ledger on EventStoreDB, KurrentDB, or our own gateway. Cheap to clone.
#[derive(Clone)]
pub struct EventStoreDbLedger(pub(super) Arc<Shared>);

#[async_trait]
impl EventStore for EventStoreDbLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        self.0.followed()?;
        append(&self.0, stream, expected, checked(stream, events)?).await
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.0.open()?;
        read::stream(&self.0, stream, from, limit).await
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        self.0.open()?;
        read::last(&self.0, stream).await
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.0.open()?;
        read::all(&self.0, from, limit).await
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        self.0.open()?;
        read::find(&self.0, id).await
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.0.open()?;
        Ok(Position(self.0.index().end()))
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, from: Position) {
        let mut end = self.0.end.subscribe();
        // The caller reads again in any case, after a timeout or a close as well.
        let _ = tokio::time::timeout(WAIT_MAX, end.wait_for(|end| *end > from.0)).await;
    }
}

#[async_trait]
impl Upkeep for EventStoreDbLedger {
    fn failing(&self) -> Option<String> {
        self.0.failing()
    }

    async fn close(&self) {
        self.0.closed.cancel();
        self.0.sessions.drop_session().await;
        self.0.line.close();
        self.0.reads.close();
    }
}
