//! What goes wrong and what goes right, as HTTP says it: the only file with status codes. Bodies are RFC 9457 problem
//! documents, whatever went wrong: nobody is ever shown a page, a stack or another program's message.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    domain::booking::Refusal,
    ports::{event_store, kept_checkpoints, projection_store, signing_keys, vault, webhooks},
    services::Error,
};

/// The media type of every problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Asked of a client when something is not available, in seconds.
const RETRY_AFTER_S: u32 = 5;

/// How a request that was carried out is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Here it is.
    Ok,
    /// It is there now.
    Created,
    /// It is recorded; the rest follows.
    Accepted,
    /// An honest report of a service that does not work.
    Failing,
}

impl Done {
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

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The request cannot be read.
    Malformed,
    /// Nobody we know asks, or what was sent is not believed.
    Unauthorised,
    /// The bearer may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The thing is there, and does not do that.
    MethodNotAllowed,
    /// The request took too long to arrive.
    TooSlow,
    /// As things are, it cannot be done.
    Conflict,
    /// The body is too long.
    TooLarge,
    /// The body is not JSON, or says that it is not.
    UnsupportedMedia,
    /// The request can be read, and says something that cannot be.
    Invalid,
    /// A defect, or damage: an operator must look.
    Internal,
    /// Something that we need cannot be reached: try again.
    Unavailable,
}

impl Kind {
    /// Its status.
    pub fn status(self) -> StatusCode {
        self.parts().0
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        self.parts().2
    }

    /// Status, the last part of the type, title.
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::Unauthorised => (StatusCode::UNAUTHORIZED, "unauthorised", "Not recognised"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The request took too long"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "Not possible as things are"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long"),
            Self::UnsupportedMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media", "Not JSON"),
            Self::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request cannot be carried out"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is broken here"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available at the moment"),
        }
    }
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// Which field: `slot.starts_at`.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub detail: String,
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// What happened this time, in a sentence.
    pub detail: String,
    /// The fields at fault.
    pub errors: Vec<FieldError>,
}

/// A problem's body.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem", description = "An RFC 9457 problem document.")]
pub struct Document {
    /// Names the kind of problem.
    r#type: String,
    /// The kind in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    detail: String,
    /// Names this very request; quote it to a support desk.
    instance: String,
    /// The request's correlation id, as in `x-request-id`, the log, and the events that it led to.
    correlation: String,
    /// The fields at fault, where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of that kind, with a sentence.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new() }
    }

    /// A request with a field that cannot be what it says.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), detail: detail.into() }])
    }

    /// A request with such fields.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|e| format!("{}: {}", e.field, e.detail)).collect::<Vec<_>>().join("; ");
        Self { kind: Kind::Invalid, detail, errors }
    }

    /// No such thing.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} {:?}", id.chars().take(200).collect::<String>()))
    }

    /// The answer. `request` is the request's correlation id.
    pub fn respond(self, request: &str) -> Response<Body> {
        let (status, slug, title) = self.kind.parts();
        let document = Document {
            r#type: format!("urn:syncledger:problem:{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            instance: format!("urn:syncledger:request:{request}"),
            correlation: request.to_owned(),
            errors: self.errors,
        };
        let body = serde_json::to_vec(&document).expect("a problem is made of texts and one number");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match self.kind {
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

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Refused(Refusal::Unknown) | Error::NotFound { .. } => Self::new(Kind::NotFound, text),
            Error::Refused(Refusal::Exists | Refusal::Cancelled) | Error::Invalid(_) => Self::new(Kind::Conflict, text),
            Error::Refused(Refusal::KeyReused) => Self::field("Idempotency-Key", text),
            Error::Busy | Error::Ledger(event_store::Failure::Conflict { .. }) => {
                Self::new(Kind::Conflict, "the same thing is being changed by others; try again")
            }
            Error::Vault(vault::Failure::Forgotten(_)) => Self::new(Kind::Conflict, text),
            Error::Ledger(event_store::Failure::Invalid(_)) => Self::new(Kind::Invalid, text),
            Error::Ledger(event_store::Failure::Unavailable(_)) => unavailable("the ledger", &text),
            Error::Vault(vault::Failure::Unavailable(_)) => unavailable("the key vault", &text),
            Error::Tokens(_) => unavailable("the token store", &text),
            Error::ReadModels(_) => unavailable("the read model", &text),
            Error::SigningKeys(signing_keys::Failure::Unavailable(_)) => unavailable("the key store", &text),
            Error::KeptCheckpoints(kept_checkpoints::Failure::Unavailable { .. }) => {
                unavailable("the folder of checkpoints", &text)
            }
            Error::SigningKeys(signing_keys::Failure::WrongMaster(_))
            | Error::KeptCheckpoints(_)
            | Error::Ledger(event_store::Failure::IdTaken(_) | event_store::Failure::Corrupt { .. })
            | Error::Vault(vault::Failure::WrongMaster(_))
            | Error::Damaged { .. } => internal(&text),
        }
    }
}

impl From<projection_store::Failure> for Problem {
    fn from(failure: projection_store::Failure) -> Self {
        match failure {
            projection_store::Failure::Corrupt { .. } => internal(&failure.to_string()),
            projection_store::Failure::Moved { .. } | projection_store::Failure::Unavailable(_) => {
                unavailable("the read model", &failure.to_string())
            }
        }
    }
}

impl From<webhooks::Refusal> for Problem {
    fn from(refusal: webhooks::Refusal) -> Self {
        let kind = match refusal {
            webhooks::Refusal::Malformed(_) => Kind::Malformed,
            webhooks::Refusal::NotBelieved(_) => Kind::Unauthorised,
            webhooks::Refusal::TooLong(_) => Kind::TooLarge,
        };
        Self::new(kind, refusal.to_string())
    }
}

/// What exactly could not be reached is for the log: a client learns only that it may try again.
fn unavailable(what: &str, text: &str) -> Problem {
    tracing::error!(error = text, "A request found {what} unavailable");
    Problem::new(Kind::Unavailable, format!("{what} is not available; try again"))
}

fn internal(text: &str) -> Problem {
    tracing::error!(error = text, "A request met damage");
    Problem::new(Kind::Internal, "what is stored cannot be read; an operator must look at the log")
}
