//! A queue of commands: each is delivered until it is acknowledged.

use std::time::Duration;

use async_trait::async_trait;

/// The queue is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// A command as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandMessage {
    /// The last part of its subject, such as `booking.create`.
    pub verb: String,
    /// Its idempotency key: chosen by the sender, or the queue's own number.
    pub key: String,
    /// The body.
    pub body: Vec<u8>,
    /// Where its sender expects the answer.
    pub reply_to: Option<String>,
    /// The sender's correlation id.
    pub correlation: Option<String>,
    /// Number of deliveries, including this one.
    pub deliveries: u64,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// An HTTP status code.
    pub status: u16,
    /// The body's media type.
    pub media: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// The command's key.
    pub key: String,
}

/// A delivered command that is not acknowledged yet.
#[async_trait]
pub trait QueuedCommand: Send + Sync {
    /// The command.
    fn message(&self) -> &CommandMessage;

    /// Sends the answer; does nothing if nobody expects one.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn reply(&self, reply: Reply) -> Result<(), Unavailable>;

    /// Acknowledges the command, so that it is not delivered again. Returns once the queue has recorded that.
    ///
    /// # Errors
    /// [`Unavailable`]; the command will be delivered again.
    async fn settle(&self) -> Result<(), Unavailable>;

    /// Asks for another delivery, not before `after`.
    ///
    /// # Errors
    /// [`Unavailable`]; the command will be delivered again anyway.
    async fn retry(&self, after: Duration) -> Result<(), Unavailable>;
}

/// The queue.
#[async_trait]
pub trait CommandQueue: Send + Sync {
    /// Creates the queue if it does not exist. Returns differences from the configuration, as sentences.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn prepare(&self) -> Result<Vec<String>, Unavailable>;

    /// Receives at most `limit` commands; waits up to `wait` for the first. Empty if there are none.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn take(&self, limit: usize, wait: Duration) -> Result<Vec<Box<dyn QueuedCommand>>, Unavailable>;

    /// Number of commands waiting, including those being processed.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn waiting(&self) -> Result<u64, Unavailable>;
}
