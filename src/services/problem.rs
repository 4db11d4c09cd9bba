//! Errors of requests, the same for HTTP and NATS: one wording and one status per kind. Documents follow RFC 9457
//! and never contain HTML, a stack trace or another program's message.

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use crate::{
    domain::booking::Refusal,
    ports::{checkpoint_archive, event_store, projection_store, signing_keys, vault, webhooks},
};

/// The media type of every problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The request cannot be parsed.
    Malformed,
    /// The caller or the signature is not known.
    Unauthorised,
    /// The caller's role does not allow this.
    Forbidden,
    /// No such resource.
    NotFound,
    /// The resource does not support this method.
    MethodNotAllowed,
    /// The request took too long to arrive.
    TooSlow,
    /// Not possible in the present state.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON, or its content type is not.
    UnsupportedMedia,
    /// The request can be parsed, but a value is invalid.
    Invalid,
    /// A defect or damaged data: an operator must act.
    Internal,
    /// A dependency is unavailable: retry.
    Unavailable,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::Unauthorised,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooSlow,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Invalid,
        Self::Internal,
        Self::Unavailable,
    ];

    /// Its HTTP status code.
    pub fn code(self) -> u16 {
        self.parts().0
    }

    /// Its permanent name: the last part of a problem document's `type`.
    pub fn name(self) -> &'static str {
        self.parts().1
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        self.parts().2
    }

    /// Status code, last part of the type, title.
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request cannot be read"),
            Self::Unauthorised => (401, "unauthorised", "Not authenticated"),
            Self::Forbidden => (403, "forbidden", "Not allowed"),
            Self::NotFound => (404, "not-found", "Not found"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Method not allowed"),
            Self::TooSlow => (408, "too-slow", "The request took too long"),
            Self::Conflict => (409, "conflict", "Not possible in the present state"),
            Self::TooLarge => (413, "too-large", "The body is too large"),
            Self::UnsupportedMedia => (415, "unsupported-media", "Not JSON"),
            Self::Invalid => (422, "invalid", "The request cannot be carried out"),
            Self::Internal => (500, "internal", "Internal error"),
            Self::Unavailable => (503, "unavailable", "Temporarily unavailable"),
        }
    }
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// Path of the field, such as `slot.starts_at`.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub detail: String,
}

/// An error of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind of error.
    pub kind: Kind,
    /// What went wrong this time, in one sentence.
    pub detail: String,
    /// The invalid fields.
    pub errors: Vec<FieldError>,
}

/// Body of an error response.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem", description = "An RFC 9457 problem document.")]
pub struct Document {
    /// URI of the kind of error.
    r#type: String,
    /// Title of the kind.
    title: String,
    /// HTTP status code.
    status: u16,
    /// What went wrong this time.
    detail: String,
    /// Identifies this request; quote it to support.
    instance: String,
    /// The correlation id, as in `x-request-id`, the log, and the events of this request.
    correlation: String,
    /// The invalid fields, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl Problem {
    /// An error of this kind, with a sentence.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new() }
    }

    /// An error about one invalid field.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), detail: detail.into() }])
    }

    /// An error about several invalid fields.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|e| format!("{}: {}", e.field, e.detail)).collect::<Vec<_>>().join("; ");
        Self { kind: Kind::Invalid, detail, errors }
    }

    /// No such resource.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} {:?}", id.chars().take(200).collect::<String>()))
    }

    /// Its document. `request` is the correlation id.
    pub fn document(self, request: &str) -> Document {
        let (status, slug, title) = self.kind.parts();
        Document {
            r#type: format!("urn:syncledger:problem:{slug}"),
            title: title.to_owned(),
            status,
            detail: self.detail,
            instance: format!("urn:syncledger:request:{request}"),
            correlation: request.to_owned(),
            errors: self.errors,
        }
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
                Self::new(Kind::Conflict, "it is being changed by another request; retry")
            }
            Error::Vault(vault::Failure::Forgotten(_)) => Self::new(Kind::Conflict, text),
            Error::Ledger(event_store::Failure::Invalid(_)) => Self::new(Kind::Invalid, text),
            Error::Ledger(event_store::Failure::Unavailable(_) | event_store::Failure::ProgramTooOld { .. }) => {
                unavailable("the ledger", &text)
            }
            Error::Vault(vault::Failure::Unavailable(_)) => unavailable("the key vault", &text),
            Error::Tokens(_) => unavailable("the token store", &text),
            Error::ReadModels(_) => unavailable("the read model", &text),
            Error::SigningKeys(signing_keys::Failure::Unavailable(_)) => unavailable("the key store", &text),
            Error::CheckpointArchive(checkpoint_archive::Failure::Unavailable { .. }) => {
                unavailable("the folder of checkpoints", &text)
            }
            Error::SigningKeys(signing_keys::Failure::WrongMaster(_))
            | Error::CheckpointArchive(_)
            | Error::Ledger(event_store::Failure::IdTaken(_) | event_store::Failure::Corrupt { .. })
            | Error::Vault(vault::Failure::WrongMaster(_) | vault::Failure::NoMaster(_))
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
            webhooks::Refusal::NotAuthentic(_) => Kind::Unauthorised,
            webhooks::Refusal::TooLong(_) => Kind::TooLarge,
        };
        Self::new(kind, refusal.to_string())
    }
}

/// The log has the details; a client learns only that it may retry.
fn unavailable(what: &str, text: &str) -> Problem {
    tracing::error!(error = text, "A request failed: {what} is unavailable");
    Problem::new(Kind::Unavailable, format!("{what} is temporarily unavailable; retry later"))
}

fn internal(text: &str) -> Problem {
    tracing::error!(error = text, "A request failed: stored data is damaged");
    Problem::new(Kind::Internal, "stored data cannot be read; the operator finds details in the log")
}
