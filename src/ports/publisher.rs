//! A feed that the ledger's events are published to, in order, and that others read at their own pace.
//!
//! Contract: the feed numbers what it takes, and takes a message only behind the number that its sender names. So what
//! follows a message that was not taken is not taken either, and of two senders only one gets through: order and
//! uniqueness do not hang on anybody's remembering. Every message says which position of the ledger comes next after it.

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::{domain::ids::Position, record::envelope::StoredEvent};

/// A message's number in the feed, from 1; 0 stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where the feed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedState {
    /// The number of the last message that it took.
    pub last: Sequence,
    /// What the last message that is still there says about the position that comes next; `None` where none is there.
    pub next: Option<Position>,
    /// Whether that message was sent by us.
    pub ours: bool,
}

/// Why a message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendReason {
    /// For the first time, as far as is known.
    First,
    /// Again, because somebody asked for it; under an id that the feed does not take for a repetition, made from this word.
    Again(String),
}

/// A message on its way.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingMessage<'a> {
    /// The event.
    pub event: &'a StoredEvent,
    /// The position that comes next after this message.
    pub next: Position,
    /// The message that this one follows.
    pub after: Sequence,
    /// Why it is sent.
    pub sending: &'a SendReason,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The feed has it now, durable as far as its server makes things durable.
    Stored(Sequence),
    /// The feed had it already, and has not taken it again.
    Duplicate,
}

/// Why a message was not taken, or the feed could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The feed's last message is another: somebody else sends, or the feed has lost something. Look where it stands.
    #[error("the feed does not stand where it was expected")]
    Moved,
    /// There is no answer; the message may have been taken all the same. Look where it stands, and go on from there.
    #[error("{0}")]
    Unavailable(String),
    /// The feed refuses it; sending it again will not do.
    #[error("{0}")]
    Refused(String),
}

/// The answer to a message; comes later, and in the order of sending.
pub type Pending = BoxFuture<'static, Result<PublishOutcome, Failure>>;

/// The feed.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Sets the feed up where it is not there, and keeps to what an operator has changed. Answers what differs from what was
    /// configured, in sentences.
    ///
    /// # Errors
    /// `Unavailable`; `Refused` where the feed cannot be as it must be.
    async fn prepare(&self) -> Result<Vec<String>, Failure>;

    /// Where the feed stands.
    ///
    /// # Errors
    /// `Unavailable`; `Refused` where there is no feed.
    async fn feed_state(&self) -> Result<FeedState, Failure>;

    /// Sends a message, and returns before it is answered.
    ///
    /// # Errors
    /// `Unavailable`, `Refused`: it was not sent.
    async fn send(&self, message: OutgoingMessage<'_>) -> Result<Pending, Failure>;

    /// What a check of the set-up should say about the server.
    ///
    /// # Errors
    /// As [`Publisher::feed_state`].
    async fn describe(&self) -> Result<String, Failure>;
}
