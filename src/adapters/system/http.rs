//! The real network: [`Transport`] on reqwest with rustls.
//!
//! reqwest itself supports `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; the platform's certificate verifier supports
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`, which it reads on Linux before the system's own store.

use std::{error::Error, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, Method, redirect::Policy};

use crate::ports::transport::{BODY_BYTES_MAX, Failure, Request, Response, Transport};

/// Time limit for connecting, including TLS.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long the server may be silent during a response.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long an idle connection is kept. Shorter than usual server limits, so that a request rarely meets a connection that
/// the server is just closing, which would leave its outcome unknown.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Sends requests over the network.
#[derive(Debug, Clone)]
pub struct HttpTransport(Client);

/// The client cannot be set up: no certificate store, or an invalid proxy setting.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct SetUpFailure(#[source] reqwest::Error);

impl HttpTransport {
    /// A transport with the machine's proxy settings and certificates.
    ///
    /// # Errors
    /// [`SetUpFailure`].
    pub fn new() -> Result<Self, SetUpFailure> {
        Client::builder()
            .user_agent(concat!("syncledger/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            // Retries are decided by the reconciler, which knows whether a call can be repeated.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENCE_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .referer(false)
            .build()
            .map(Self)
            .map_err(SetUpFailure)
    }

    async fn exchange(&self, request: Request, timeout: Duration) -> Result<Response, Failure> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|e| Failure::NotSent(e.to_string()))?;
        let mut call = self.0.request(method, &request.url).timeout(timeout);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        // Built first: what cannot be built was never sent.
        let call = call.body(request.body).build().map_err(|e| Failure::NotSent(describe(e)))?;
        let mut answer = self.0.execute(call).await.map_err(|error| {
            if error.is_connect() { Failure::NotSent(describe(error)) } else { Failure::NoAnswer(describe(error)) }
        })?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| Failure::NoAnswer(describe(e)))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(Failure::NoAnswer(format!("the answer is longer than {BODY_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response, Failure> {
        self.exchange(request, timeout).await
    }
}

/// The chain of causes, without the URL: its query may contain a token.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let line = inner.to_string();
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = inner.source();
    }
    text
}
