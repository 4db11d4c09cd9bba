//! Parses Google's push notifications: headers only, never a body. Pure.
//!
//! Parsing authenticates nothing. The caller compares channel, token (in constant time, with the stored hash) and
//! resource with the channel it opened.

use chrono::{DateTime, Utc};

use crate::{
    domain::ids::ChannelId,
    ports::{notifications, webhooks},
};

/// Maximum length of a notification's token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256;

/// The state of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The channel was opened: the first message.
    Sync,
    /// Something changed.
    Exists,
    /// The watched resource is gone.
    NotExists,
}

impl State {
    /// Google's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Exists => "exists",
            Self::NotExists => "not_exists",
        }
    }
}

/// A notification, as in its headers.
#[derive(Clone, PartialEq, Eq)]
pub struct PushHeaders {
    /// The channel it names.
    pub channel: ChannelId,
    /// The token it carries; a secret, never printed.
    pub token: Option<String>,
    /// Id of the watched resource.
    pub resource: String,
    /// The state.
    pub state: State,
    /// Google's message number: ascending, with gaps.
    pub number: u64,
    /// Expiry of the channel, if given.
    pub expires_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for PushHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notification")
            .field("channel", &self.channel)
            .field("token", &self.token.as_ref().map(|_| "[secret]"))
            .field("resource", &self.resource)
            .field("state", &self.state)
            .field("number", &self.number)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// Why headers are not a notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The header is missing.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// The header has an unexpected value.
    #[error("the header {0} is invalid")]
    Malformed(&'static str),
}

const CHANNEL: &str = "x-goog-channel-id";
const TOKEN: &str = "x-goog-channel-token";
const EXPIRATION: &str = "x-goog-channel-expiration";
const RESOURCE: &str = "x-goog-resource-id";
const STATE: &str = "x-goog-resource-state";
const NUMBER: &str = "x-goog-message-number";

impl PushHeaders {
    /// Parses the headers; `header` returns the value of a lower-case name.
    ///
    /// # Errors
    /// [`HeaderError`], naming the header.
    pub fn from_headers<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Self, HeaderError> {
        use HeaderError::{Malformed, Missing};
        let wanted = |name: &'static str| header(name).filter(|v| !v.is_empty()).ok_or(Missing(name));
        let channel = ChannelId::new(wanted(CHANNEL)?).map_err(|_| Malformed(CHANNEL))?;
        let resource = wanted(RESOURCE)?;
        if resource.len() > 512 {
            return Err(Malformed(RESOURCE));
        }
        let state = match wanted(STATE)? {
            "sync" => State::Sync,
            "exists" => State::Exists,
            "not_exists" => State::NotExists,
            _ => return Err(Malformed(STATE)),
        };
        let number = wanted(NUMBER)?.parse().map_err(|_| Malformed(NUMBER))?;
        let token = header(TOKEN).filter(|t| !t.is_empty());
        if token.is_some_and(|t| t.len() > TOKEN_BYTES_MAX) {
            return Err(Malformed(TOKEN));
        }
        let expires_at = match header(EXPIRATION).filter(|t| !t.is_empty()) {
            None => None,
            Some(text) => {
                Some(DateTime::parse_from_rfc2822(text).map_err(|_| Malformed(EXPIRATION))?.with_timezone(&Utc))
            }
        };
        let (token, resource) = (token.map(str::to_owned), resource.to_owned());
        Ok(Self { channel, token, resource, state, number, expires_at })
    }
}

/// Implements the port for notifications.
#[derive(Debug, Clone, Copy, Default)]
pub struct PushReader;

impl notifications::NotificationReader for PushReader {
    fn read(&self, headers: &webhooks::Headers<'_>) -> Result<notifications::Notification, webhooks::Refusal> {
        let read = PushHeaders::from_headers(headers).map_err(|e| webhooks::Refusal::Malformed(e.to_string()))?;
        Ok(notifications::Notification {
            channel: read.channel,
            token: read.token.unwrap_or_default(),
            resource: read.resource,
            state: read.state.as_str().to_owned(),
            number: read.number,
        })
    }
}
