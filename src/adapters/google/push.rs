//! What Google's push notifications say: headers only, never a body. Pure.
//!
//! Reading them proves nothing. The caller compares channel, token (in constant time, against the stored hash) and
//! resource with what it opened.

use chrono::{DateTime, Utc};

use crate::{
    domain::ids::ChannelId,
    ports::{notifications, webhooks},
};

/// The longest token that a notification may bear, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The channel was opened: the first message.
    Sync,
    /// Something changed.
    Exists,
    /// The watched thing is gone.
    NotExists,
}

impl State {
    /// Google's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Exists => "exists",
            Self::NotExists => "not_exists",
        }
    }
}

/// A notification as its headers tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct PushHeaders {
    /// The channel that it says it belongs to.
    pub channel: ChannelId,
    /// The token that it bears; a secret, never printed.
    pub token: Option<String>,
    /// What is watched.
    pub resource: String,
    /// What happened.
    pub state: State,
    /// Google's number of it: they ascend, with gaps.
    pub number: u64,
    /// When the channel ends, where it says so.
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
    /// The header is there, and says nothing that Google would say.
    #[error("the header {0} cannot be read")]
    Malformed(&'static str),
}

const CHANNEL: &str = "x-goog-channel-id";
const TOKEN: &str = "x-goog-channel-token";
const EXPIRATION: &str = "x-goog-channel-expiration";
const RESOURCE: &str = "x-goog-resource-id";
const STATE: &str = "x-goog-resource-state";
const NUMBER: &str = "x-goog-message-number";

impl PushHeaders {
    /// Reads the headers; `header` answers the value of a lower-case name.
    ///
    /// # Errors
    /// [`HeaderError`] names the header at fault.
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

/// The port for notifications.
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
