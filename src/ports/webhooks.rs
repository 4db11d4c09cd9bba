//! Whether what reaches us from outside is what it says it is: signed deliveries of sources, and notifications of
//! calendar providers. Pure: headers, body and time in.

use chrono::{DateTime, Utc};

use super::source::Delivery;
use crate::domain::ids::{ChannelId, SourceName};

/// A request's headers: answers the value of a lower-case name, where it is readable text.
pub type Headers<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// Why something from outside is not taken. The texts are sentences for the sender, and say nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read: a header is missing, or the body is not what was agreed.
    #[error("{0}")]
    Malformed(String),
    /// It is not believed: the signature or the time of sending is not right.
    #[error("{0}")]
    NotBelieved(String),
    /// The body is longer than any that is agreed.
    #[error("{0}")]
    TooLong(String),
}

/// Knows one source's signed deliveries.
pub trait WebhookVerifier: Send + Sync {
    /// Whose deliveries.
    fn source(&self) -> &SourceName;

    /// Believes a delivery, or says why not. Nothing of the body is looked at before it is believed.
    ///
    /// # Errors
    /// [`Refusal`].
    fn verify(&self, headers: &Headers<'_>, body: &[u8], now: DateTime<Utc>) -> Result<Delivery, Refusal>;
}

/// A provider's notification as it came. Reading it proves nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// The channel that it names.
    pub channel: ChannelId,
    /// The token that it bears: a secret.
    pub token: String,
    /// The provider's name for what changed.
    pub resource: String,
    /// `sync`, `exists` or `not_exists`.
    pub state: String,
    /// The provider's number of it.
    pub number: u64,
}

/// Never prints the token.
impl std::fmt::Debug for Notification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Notification({} {} on {})", self.state, self.number, self.channel)
    }
}

/// Reads one provider's notifications.
pub trait NotificationReader: Send + Sync {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] names the header at fault.
    fn read(&self, headers: &Headers<'_>) -> Result<Notification, Refusal>;
}
