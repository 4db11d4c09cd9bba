//! Commands that reach us as messages: each is handed out until it is settled.

use std::time::Duration;

use async_trait::async_trait;

/// The queue cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// A command as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandMessage {
    /// What it was sent to, behind what all commands have in common: `booking.create`.
    pub verb: String,
    /// What makes its repetition harmless: chosen by its sender, or the queue's own number of it.
    pub key: String,
    /// The body.
    pub body: Vec<u8>,
    /// Where its sender waits for an answer.
    pub reply_to: Option<String>,
    /// The sender's own id of what this belongs to.
    pub correlation: Option<String>,
    /// How often it was handed out, this time included.
    pub deliveries: u64,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status, as HTTP numbers it.
    pub status: u16,
    /// The body's media type.
    pub media: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// The command's key.
    pub key: String,
}

/// A command that was handed out and is not settled yet.
#[async_trait]
pub trait QueuedCommand: Send + Sync {
    /// What came.
    fn message(&self) -> &CommandMessage;

    /// Sends the answer to whoever waits for it; nothing where nobody does.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn reply(&self, reply: Reply) -> Result<(), Unavailable>;

    /// It is settled: it is not handed out again. Returns once the queue has noted that.
    ///
    /// # Errors
    /// [`Unavailable`]; it will be handed out again.
    async fn settle(&self) -> Result<(), Unavailable>;

    /// It is handed out again, not before `after`.
    ///
    /// # Errors
    /// [`Unavailable`]; it will be handed out again anyway.
    async fn retry(&self, after: Duration) -> Result<(), Unavailable>;
}

/// The queue.
#[async_trait]
pub trait CommandQueue: Send + Sync {
    /// Sets the queue up where it is not there. Answers what differs from what was configured, in sentences.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn prepare(&self) -> Result<Vec<String>, Unavailable>;

    /// At most `limit` commands; waits for the first at most `wait`. Empty where there was none.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn take(&self, limit: usize, wait: Duration) -> Result<Vec<Box<dyn QueuedCommand>>, Unavailable>;

    /// How many wait, those that are handed out among them.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn waiting(&self) -> Result<u64, Unavailable>;
}
