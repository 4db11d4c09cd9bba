//! HTTP status codes of errors and successes.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

pub use crate::services::problem::{Document, FieldError, Kind, PROBLEM_JSON, Problem};

/// `Retry-After` when something is not available, in seconds.
const RETRY_AFTER_S: u32 = 5;

/// How a request succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// 200.
    Ok,
    /// 201.
    Created,
    /// 202: recorded; the effects follow.
    Accepted,
    /// 503: a health report about a service that does not work.
    Failing,
}

impl Success {
    /// Its HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Ok => StatusCode::OK,
            Self::Created => StatusCode::CREATED,
            Self::Accepted => StatusCode::ACCEPTED,
            Self::Failing => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Kind {
    /// Its HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Problem {
    /// The response. `request` is the correlation id.
    pub fn respond(self, request: &str) -> Response<Body> {
        let kind = self.kind;
        let body = serde_json::to_vec(&self.document(request)).expect("a problem is made of texts and one number");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = kind.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match kind {
            Kind::Unauthorised => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"syncledger\""));
            }
            Kind::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            _ => {}
        }
        response
    }
}
