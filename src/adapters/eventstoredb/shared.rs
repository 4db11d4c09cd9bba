//! What calls and the follower share: the lines to the server, the index, and what is known of its failing.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{claims::Claims, index::Index, session::Sessions, shared_client::SharedClient};
use crate::ports::event_store::Failure;

/// State shared by calls and the subscription.
pub(super) struct Shared {
    /// Connection for appends and the subscription.
    pub line: SharedClient,
    /// Separate connection for reads: the client's sockets wait 40 ms for the server's acknowledgement before the second part
    /// of a call (Nagle), which would delay appends on the same connection.
    pub reads: SharedClient,
    pub sessions: Sessions,
    pub claims: Claims,
    index: Mutex<Index>,
    /// The end of the index, for waiters.
    pub end: watch::Sender<u64>,
    /// Number of lost connections.
    pub broken: watch::Sender<u64>,
    /// Notified when an event acknowledged by the server has not arrived.
    pub missing: Notify,
    pub closed: CancellationToken,
    failing: Mutex<Option<String>>,
    /// Why this process can assign no more positions.
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

    /// The index. A panic leaves nothing inconsistent in it.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the present failure, or none; returns the previous one.
    pub fn set_failing(&self, why: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.failing.lock().unwrap_or_else(PoisonError::into_inner), why)
    }

    pub fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fails all appends, including running ones: the log can no longer be followed.
    pub fn end_for(&self, why: String) {
        self.set_failing(Some(why.clone()));
        self.over.get_or_init(|| why);
        self.index().pendings.clear();
    }

    /// Fails if the ledger was closed.
    pub fn open(&self) -> Result<(), Failure> {
        if self.closed.is_cancelled() { Err(Failure::Unavailable("the ledger is closed".to_owned())) } else { Ok(()) }
    }

    /// Fails if an append would never arrive.
    pub fn followed(&self) -> Result<(), Failure> {
        self.open()?;
        self.over.get().map_or(Ok(()), |why| Err(Failure::Unavailable(why.clone())))
    }
}
