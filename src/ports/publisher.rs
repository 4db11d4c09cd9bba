//! A feed to which the ledger's events are published in order, and that others read at their own pace.
//!
//! Contract: the feed numbers its messages, and accepts a message only after the number that its sender names. So nothing
//! after a rejected message is accepted, and of two senders only one succeeds: order and uniqueness do not
//! depend on anybody's memory. Every message contains the ledger position that follows it.

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::{domain::ids::Position, record::envelope::StoredEvent};

/// A message's number in the feed, from 1; 0 means before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// State of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedState {
    /// Number of the last accepted message.
    pub last: Sequence,
    /// The next position according to the last stored message; `None` if there is none.
    pub next: Option<Position>,
    /// Whether we sent that message.
    pub ours: bool,
}

/// Why a message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendReason {
    /// For the first time, as far as known.
    First,
    /// Again on request; with a message id made from this word, so that the feed does not drop it as a duplicate.
    Again(String),
}

/// A message to send.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingMessage<'a> {
    /// The event.
    pub event: &'a StoredEvent,
    /// The position that follows this message.
    pub next: Position,
    /// The message it follows.
    pub after: Sequence,
    /// Why it is sent.
    pub sending: &'a SendReason,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Stored in the feed, as durably as its server stores messages.
    Stored(Sequence),
    /// Already in the feed; not stored again.
    Duplicate,
}

/// Why a message was rejected, or the feed did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The feed has another last message: another sender is active, or the feed lost messages. Read its state.
    #[error("the feed is not in the expected state")]
    Moved,
    /// No answer; the message may still have been accepted. Read the state and continue from there.
    #[error("{0}")]
    Unavailable(String),
    /// The feed rejects the message; retrying is useless.
    #[error("{0}")]
    Refused(String),
}

/// The future result of a message; results arrive in the order of sending.
pub type Pending = BoxFuture<'static, Result<PublishOutcome, Failure>>;

/// The feed.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Creates the feed if it does not exist, and keeps an operator's changes. Returns differences from the
    /// configuration, as sentences.
    ///
    /// # Errors
    /// `Unavailable`; `Refused` if the feed cannot be set up as required.
    async fn prepare(&self) -> Result<Vec<String>, Failure>;

    /// Reads the state of the feed.
    ///
    /// # Errors
    /// `Unavailable`; `Refused` if the feed does not exist.
    async fn feed_state(&self) -> Result<FeedState, Failure>;

    /// Sends a message without waiting for the result.
    ///
    /// # Errors
    /// `Unavailable` or `Refused`: it was not sent.
    async fn send(&self, message: OutgoingMessage<'_>) -> Result<Pending, Failure>;

    /// Description of the server, for `doctor`.
    ///
    /// # Errors
    /// As [`Publisher::feed_state`].
    async fn describe(&self) -> Result<String, Failure>;
}
