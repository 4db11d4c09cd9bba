//! An HTTP exchange as data: all that adapters for remote systems need from the network.
//!
//! The real one is `adapters/system/http.rs`; the simulation passes requests to the sandbox instead, so the same
//! provider code runs on real sockets and on a virtual clock.

use std::time::Duration;

use async_trait::async_trait;

/// An HTTP request. `url` is absolute; header names are lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PATCH`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Absolute, with the query string already percent-encoded.
    pub url: String,
    /// Lower-case names. Values may be secrets: never log a whole request.
    pub headers: Vec<(String, String)>,
    /// The body, or empty.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header; its name is converted to lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets a JSON body and its content type.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// The first header with this lower-case name.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A response to a [`Request`], with any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// Maximum size of a response body, in bytes. A page of 2,500 calendar entries is about 4 MB.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Response {
    /// A response with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json; charset=UTF-8".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The first header with this lower-case name.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The request did not reach the server (DNS, connect, TLS): it had no effect.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The request may have been processed (timeout or reset after sending, truncated response).
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Sends requests and waits for responses, at most `timeout`. Follows no redirects.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`.
    ///
    /// # Errors
    /// [`Failure::NotSent`] only if the server certainly received nothing.
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response, Failure>;
}
