//! Push notifications of calendar providers. Pure: headers in.

use super::webhooks::{Headers, Refusal};
use crate::domain::ids::ChannelId;

/// A notification as received. Not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// The channel it names.
    pub channel: ChannelId,
    /// The token it carries: a secret.
    pub token: String,
    /// The provider's id of the watched resource.
    pub resource: String,
    /// `sync`, `exists` or `not_exists`.
    pub state: String,
    /// The provider's sequence number.
    pub number: u64,
}

/// Does not print the token.
impl std::fmt::Debug for Notification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Notification({} {} on {})", self.state, self.number, self.channel)
    }
}

/// Parses the notifications of one provider.
pub trait NotificationReader: Send + Sync {
    /// Parses the headers.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], naming the header.
    fn read(&self, headers: &Headers<'_>) -> Result<Notification, Refusal>;
}
