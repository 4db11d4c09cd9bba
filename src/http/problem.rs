//! What goes wrong and what goes right, as HTTP says it.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

pub use crate::services::problem::{Document, FieldError, Kind, PROBLEM_JSON, Problem};

/// Asked of a client when something is not available, in seconds.
const RETRY_AFTER_S: u32 = 5;

/// How a request that was carried out is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// Here it is.
    Ok,
    /// It is there now.
    Created,
    /// It is recorded; the rest follows.
    Accepted,
    /// An honest report of a service that does not work.
    Failing,
}

impl Success {
    /// Its status.
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
    /// Its status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Problem {
    /// The answer. `request` is the request's correlation id.
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
