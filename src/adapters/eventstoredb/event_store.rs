//! [`EventStore`] on the server: what every call shares, and where each is done (`append.rs`, `read.rs`).

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{append::append, claims::Claims, index::Index, line::Line, read, session::Sessions};
use crate::{
    domain::ids::{EventId, Position, Version},
    ledger::{append::checked, restore::by_appending},
    ports::{
        event_store::{Appended, EventStore, Expected, Failure},
        upkeep::Upkeep,
    },
    record::{
        envelope::{NewEvent, Recorded},
        stream::StreamName,
    },
};

/// How long [`EventStore::wait`] waits when nothing comes.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A ledger on EventStoreDB, KurrentDB, or a gateway of ours. Cheap to clone.
#[derive(Clone)]
pub struct EventStoreDbLedger(pub(super) Arc<Shared>);

/// What calls and the follower share.
pub(super) struct Shared {
    /// Appends and the subscription.
    pub line: Line,
    /// Reads have a connection of their own: the client's sockets wait for the server's acknowledgement before the second part
    /// of a call (Nagle), 40 ms each, and appends on the same one would wait with them.
    pub reads: Line,
    pub sessions: Sessions,
    pub claims: Claims,
    index: Mutex<Index>,
    /// The index's end, for those who wait.
    pub end: watch::Sender<u64>,
    /// How often the line broke.
    pub broken: watch::Sender<u64>,
    /// Somebody misses an event that the server has acknowledged.
    pub missing: Notify,
    pub closed: CancellationToken,
    failing: Mutex<Option<String>>,
    /// Why there will be no more positions in this process.
    over: OnceLock<String>,
}

impl Shared {
    pub fn new(line: Line, reads: Line, index: Index) -> Self {
        Self {
            line,
            reads,
            sessions: Sessions::new(),
            claims: Claims::default(),
            end: watch::Sender::new(index.end()),
            index: Mutex::new(index),
            broken: watch::Sender::new(0),
            missing: Notify::new(),
            closed: CancellationToken::new(),
            failing: Mutex::new(None),
            over: OnceLock::new(),
        }
    }

    /// The index. Nothing in it is left half done by a panic.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong, or that nothing is; answers what was said before.
    pub fn set_failing(&self, why: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.failing.lock().unwrap_or_else(PoisonError::into_inner), why)
    }

    pub fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends appends, those under way included: the log cannot be followed any more.
    pub fn end_for(&self, why: String) {
        self.set_failing(Some(why.clone()));
        self.over.get_or_init(|| why);
        self.index().pendings.clear();
    }

    /// Refuses where the ledger was closed.
    pub fn open(&self) -> Result<(), Failure> {
        if self.closed.is_cancelled() { Err(Failure::Unavailable("it is closed".to_owned())) } else { Ok(()) }
    }

    /// Refuses where an append would never come by.
    pub fn followed(&self) -> Result<(), Failure> {
        self.open()?;
        self.over.get().map_or(Ok(()), |why| Err(Failure::Unavailable(why.clone())))
    }
}

#[async_trait]
impl EventStore for EventStoreDbLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, Failure> {
        self.0.followed()?;
        append(&self.0, stream, expected, checked(stream, events)?).await
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<Recorded>, Failure> {
        self.0.open()?;
        read::stream(&self.0, stream, from, limit).await
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<Recorded>, Failure> {
        self.0.open()?;
        read::last(&self.0, stream).await
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<Recorded>, Failure> {
        self.0.open()?;
        read::all(&self.0, from, limit).await
    }

    async fn find(&self, id: EventId) -> Result<Option<Recorded>, Failure> {
        self.0.open()?;
        read::find(&self.0, id).await
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.0.open()?;
        Ok(Position(self.0.index().end()))
    }

    async fn restore(&self, events: Vec<Recorded>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, from: Position) {
        let mut end = self.0.end.subscribe();
        // Neither a timeout nor a closed ledger is news to the caller: it reads again either way.
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
