//! What calls and the follower share: the lines to the server, the index, and what is known of its failing.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{claims::Claims, index::Index, session::Sessions, shared_client::SharedClient};
use crate::ports::event_store::Failure;

/// What calls and the follower share.
pub(super) struct Shared {
    /// Appends and the subscription.
    pub line: SharedClient,
    /// Reads have a connection of their own: the client's sockets wait for the server's acknowledgement before the second part
    /// of a call (Nagle), 40 ms each, and appends on the same one would wait with them.
    pub reads: SharedClient,
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
    pub fn new(line: SharedClient, reads: SharedClient, index: Index) -> Self {
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
