//! What webhooks have in common: a request's headers, and why it is not taken. Deliveries of sources are in
//! `ports/deliveries.rs`, notifications of calendar providers in `ports/notifications.rs`.

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
