//! Shared by all webhooks: request headers, and why a request is refused. Deliveries of sources are in
//! `ports/deliveries.rs`, notifications of calendar providers in `ports/notifications.rs`.

/// Request headers: returns the value of a lower-case name, if it is readable text.
pub type Headers<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// Why a request is refused. The messages are for the sender and contain no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be parsed: a header is missing, or the body is invalid.
    #[error("{0}")]
    Malformed(String),
    /// It is not authentic: wrong signature or time.
    #[error("{0}")]
    NotAuthentic(String),
    /// The body is too large.
    #[error("{0}")]
    TooLong(String),
}
