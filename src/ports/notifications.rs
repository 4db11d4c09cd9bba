//! A calendar provider's notifications that something changed. Pure: headers in.

use super::webhooks::{Headers, Refusal};
use crate::domain::ids::ChannelId;

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
