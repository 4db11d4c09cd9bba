//! One HTTP exchange, as data: what an adapter for a remote system needs from the network, and no more.
//!
//! The real one is `adapters/system/http.rs`; the simulation hands an adapter the sandbox's model instead, so the same
//! provider code runs against a real socket and under a virtual clock.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// An HTTP request. `url` is absolute; header names are lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PATCH`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Absolute, with its query string already percent-encoded.
    pub url: String,
    /// Lower-case names. Values may be secrets: a request is never logged whole.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, empty when there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// The same request with one header more; the name is lowered.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The same request with a JSON body and its content type.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// The first header of that (lower-case) name.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// The answer to a [`Request`]: any status at all is an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// The largest answer an adapter reads. A page of 2,500 calendar entries is about 4 MB.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Response {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json; charset=UTF-8".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The first header of that (lower-case) name.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// The longest wait that we let another side ask of us: a day. Longer ones are shortened to it.
pub const RETRY_AFTER_MS_MAX: u64 = 24 * 60 * 60 * 1000;

impl Response {
    /// How long the other side asks us to wait, in milliseconds: `Retry-After`, in seconds or as a date (RFC 9110 §10.2.3).
    pub fn retry_after_ms(&self, now: DateTime<Utc>) -> Option<u64> {
        let text = self.header_value("retry-after")?.trim();
        let wait_ms = match text.parse::<u64>() {
            Ok(seconds) => seconds.saturating_mul(1000),
            Err(_) => {
                let at = DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc);
                u64::try_from((at - now).num_milliseconds()).unwrap_or(0)
            }
        };
        Some(wait_ms.min(RETRY_AFTER_MS_MAX))
    }
}

/// `text` as one segment of a URL's path, or one name or value of its query: all but the unreserved characters
/// (RFC 3986 §2.3) are percent-encoded.
pub fn percent_encoded(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Why there is no answer, by what may be concluded from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing reached the other side (DNS, connect, TLS): the call had no effect.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The request may have been carried out; nobody knows (timeout or reset after sending, truncated answer).
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Sends one request and waits for its answer, at most `timeout`. Follows no redirect.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`.
    ///
    /// # Errors
    /// [`Failure::NotSent`] only when it is certain that the other side saw nothing.
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_unreserved_characters_are_escaped() {
        assert_eq!(
            percent_encoded("a/b?c=d&e f+g%h~i-j_k.l:日\u{7f}"),
            "a%2Fb%3Fc%3Dd%26e%20f%2Bg%25h~i-j_k.l%3A%E6%97%A5%7F"
        );
    }
}
