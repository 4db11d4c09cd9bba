//! A real server where `SYNCLEDGER_TEST_ESDB_URL` names one (`esdb://user:password@host:2113?…`), else one that is like it.
//!
//! A real server keeps what earlier runs and others wrote, so each ledger under test is a window: streams with a prefix of its
//! own, ids changed by a number of its own, and positions counted among those.

use std::sync::Arc;

use async_trait::async_trait;
use syncledger::{
    adapters::{
        eventstoredb::{EventStoreDbLedger, Options},
        system::SystemClock,
    },
    domain::ids::{EventId, Position, Version},
    ledger::{
        append::{checked, leaf_at},
        restore::by_appending,
    },
    ports::{
        clock::Clock as _,
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
    },
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{super::event_store::Store, fake::Fake};

/// A window on a ledger that others write to.
struct Window {
    whole: EventStoreDbLedger,
    mask: Uuid,
    /// The positions of what is in the window, and up to where was looked.
    own: Mutex<(Vec<u64>, u64)>,
}

pub async fn open() -> (Store, ()) {
    let whole = match std::env::var("SYNCLEDGER_TEST_ESDB_URL") {
        Err(_) => Fake::start().await.open().await,
        Ok(url) => {
            let password = url.split_once('@').and_then(|(user, _)| user.rsplit_once(':')).map(|(_, p)| p.to_owned());
            EventStoreDbLedger::open(&Options { url, password }).await.unwrap()
        }
    };
    let end = whole.end().await.unwrap().0;
    let mask = SystemClock::new().event_id().0;
    (Arc::new(Window { whole, mask, own: Mutex::new((Vec::new(), end)) }), ())
}

impl Window {
    fn out(&self, stream: &StreamName) -> StreamName {
        StreamName { category: stream.category, id: format!("{}.{}", self.mask.simple(), stream.id) }
    }

    /// The other id, there and back.
    fn id(&self, id: EventId) -> EventId {
        EventId(Uuid::from_u128(id.0.as_u128() ^ self.mask.as_u128()))
    }

    fn failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Conflict { stream, actual } => Failure::Conflict { stream: self.inside(&stream).unwrap(), actual },
            Failure::IdTaken(id) => Failure::IdTaken(self.id(id)),
            other => other,
        }
    }

    fn inside(&self, stream: &StreamName) -> Option<StreamName> {
        let id = stream.id.strip_prefix(&format!("{}.", self.mask.simple()))?;
        Some(StreamName { category: stream.category, id: id.to_owned() })
    }

    /// The positions in the window, up to date.
    async fn own(&self) -> Result<Vec<u64>, Failure> {
        let mut own = self.own.lock().await;
        loop {
            let page = self.whole.read_all(Position(own.1), 4_096).await?;
            let Some(last) = page.last() else { return Ok(own.0.clone()) };
            let next = last.position.0 + 1;
            own.0.extend(page.iter().filter(|it| self.inside(&it.stream).is_some()).map(|it| it.position.0));
            own.1 = next;
        }
    }

    async fn within(&self, it: StoredEvent) -> Result<StoredEvent, Failure> {
        let own = self.own().await?;
        let position = Position(own.binary_search(&it.position.0).unwrap() as u64);
        let stream = self.inside(&it.stream).unwrap();
        let whole = it.stream.to_string();
        assert_eq!(it.leaf, leaf_at(&whole, it.version, it.position, &it.event));
        let event = NewEvent { id: self.id(it.event.id), ..it.event };
        let leaf = leaf_at(&stream.to_string(), it.version, position, &event);
        Ok(StoredEvent { stream, version: it.version, position, event, leaf })
    }

    async fn all_within(&self, events: Vec<StoredEvent>) -> Result<Vec<StoredEvent>, Failure> {
        let mut within = Vec::new();
        for it in events {
            within.push(self.within(it).await?);
        }
        Ok(within)
    }
}

#[async_trait]
impl EventStore for Window {
    async fn append(
        &self,
        to: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let mut events = checked(to, events)?;
        events.iter_mut().for_each(|event| event.id = self.id(event.id));
        let done = self.whole.append(&self.out(to), expected, events).await.map_err(|e| self.failure(e))?;
        let position = Position(self.own().await?.binary_search(&done.position.0).unwrap() as u64);
        Ok(AppendOutcome { position, ..done })
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.all_within(self.whole.read_stream(&self.out(stream), from, limit).await?).await
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        Ok(self.all_within(self.whole.last(&self.out(stream)).await?.into_iter().collect()).await?.pop())
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let own = self.own().await?;
        let mut found = Vec::new();
        for position in own.iter().skip(from.0.min(own.len() as u64) as usize).take(limit) {
            found.extend(self.whole.read_all(Position(*position), 1).await?);
        }
        self.all_within(found).await
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        Ok(self.all_within(self.whole.find(self.id(id)).await?.into_iter().collect()).await?.pop())
    }

    async fn end(&self) -> Result<Position, Failure> {
        Ok(Position(self.own().await?.len() as u64))
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, from: Position) {
        loop {
            let missing = self.own().await.is_ok_and(|own| own.len() as u64 <= from.0);
            let looked = self.own.lock().await.1;
            if !missing {
                return;
            }
            self.whole.wait(Position(looked)).await;
            // Others' events wake too: only if there were none was it waited long enough.
            if self.whole.end().await.is_ok_and(|end| end.0 <= looked) {
                return;
            }
        }
    }
}
