//! An admitted request and its answer: the input and output of every handler.

use axum::{
    body::{Body, Bytes},
    extract::Query,
    http::{HeaderMap, HeaderName, HeaderValue, Response, Uri, header},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    auth::Caller,
    problem::{Kind, Problem, Success},
};
use crate::{
    domain::ids::{CorrelationId, short_hash},
    record::envelope::{Actor, Origin},
    services::{
        bookings::{KEY_BYTES_MAX, read},
        journal::Context,
    },
};

/// The header that makes retried writes safe.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request that passed authentication and limits.
#[derive(Debug)]
pub struct Call {
    /// The caller; `None` on open routes.
    pub caller: Option<Caller>,
    /// The path parameters, decoded.
    pub params: Vec<(String, String)>,
    /// The request URI.
    pub uri: Uri,
    /// All headers.
    pub headers: HeaderMap,
    /// The complete body, within the route's limit.
    pub body: Bytes,
    /// The request's correlation id.
    pub request: String,
}

impl Call {
    /// The path parameter with this name.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The caller.
    ///
    /// # Errors
    /// `Unauthorised` on an open route, where there is no caller.
    pub fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(|| Problem::new(Kind::Unauthorised, "this needs an API token"))
    }

    /// Actor, origin and correlation id for events recorded on behalf of the caller.
    ///
    /// # Errors
    /// As [`Call::caller`].
    pub fn context(&self, origin: Origin) -> Result<Context, Problem> {
        let caller = self.caller()?;
        let actor = Actor::new("token", caller.token.clone());
        Ok(Context { actor, origin, correlation: CorrelationId(self.request.clone()), causation: None })
    }

    /// A header's value, if it is readable text. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The parsed query string.
    ///
    /// # Errors
    /// `Malformed`, naming the parameter.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let parsed = Query::<T>::try_from_uri(&self.uri);
        parsed.map(|Query(query)| query).map_err(|rejection| {
            let text = rejection.body_text();
            let detail = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text).to_owned();
            Problem::new(Kind::Malformed, format!("the query string: {detail}"))
        })
    }

    /// The parsed body.
    ///
    /// # Errors
    /// `UnsupportedMedia`, `Malformed`, or `Invalid` with the invalid field.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let kind = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
        let encoded = self.headers.get(header::CONTENT_ENCODING).is_some_and(|v| v != "identity");
        if !json || encoded {
            return Err(Problem::new(Kind::UnsupportedMedia, "send JSON with `Content-Type: application/json`"));
        }
        read::object(&self.body)
    }

    /// Hash of this request's `Idempotency-Key` and its sender; `None` without the header.
    ///
    /// # Errors
    /// `Invalid` if the key is empty, too long or not visible ASCII.
    pub fn key(&self) -> Result<Option<String>, Problem> {
        let Some(value) = self.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let usable = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX);
        let Some(key) = usable else {
            let detail = format!("use 1 to {KEY_BYTES_MAX} visible characters, different for every request");
            return Err(Problem::field("Idempotency-Key", detail));
        };
        Ok(Some(short_hash(&[&self.caller()?.token, key], 64)))
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    done: Success,
    kind: &'static str,
    body: Vec<u8>,
    location: Option<String>,
}

impl Answer {
    /// A JSON answer.
    ///
    /// # Errors
    /// `Internal` if `value` has a map whose keys are not texts: none of ours has.
    pub fn json(done: Success, value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Problem::new(Kind::Internal, format!("cannot write the answer: {error}")))?;
        Ok(Self { done, kind: "application/json", body, location: None })
    }

    /// A text answer of this media type.
    pub fn text(kind: &'static str, text: String) -> Self {
        Self { done: Success::Ok, kind, body: text.into_bytes(), location: None }
    }

    /// Adds a `Location` header.
    #[must_use]
    pub fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// The HTTP response.
    pub fn respond(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.done.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        let location = self.location.and_then(|l| HeaderValue::from_str(&l).ok());
        if let Some(location) = location {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}

/// Sets a header unless the answer has it already.
pub fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}
