//! What goes wrong with a request, however it came: one wording and one number for every way in. Documents are RFC 9457
//! problem documents, whatever went wrong: nobody is ever shown a page, a stack or another program's message.

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use crate::{
    domain::booking::Refusal,
    ports::{checkpoint_archive, event_store, projection_store, signing_keys, vault, webhooks},
};

/// The media type of every problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

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

    /// Its status, as HTTP numbers it.
    pub fn code(self) -> u16 {
        self.parts().0
    }

    /// Its permanent name: the last part of a problem document's `type`.
    pub fn name(self) -> &'static str {
        self.parts().1
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        self.parts().2
    }

    /// Status, the last part of the type, title.
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request cannot be read"),
            Self::Unauthorised => (401, "unauthorised", "Not recognised"),
            Self::Forbidden => (403, "forbidden", "Not allowed"),
            Self::NotFound => (404, "not-found", "Not found"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Method not allowed"),
            Self::TooSlow => (408, "too-slow", "The request took too long"),
            Self::Conflict => (409, "conflict", "Not possible as things are"),
            Self::TooLarge => (413, "too-large", "The body is too long"),
            Self::UnsupportedMedia => (415, "unsupported-media", "Not JSON"),
            Self::Invalid => (422, "invalid", "The request cannot be carried out"),
            Self::Internal => (500, "internal", "Something is broken here"),
            Self::Unavailable => (503, "unavailable", "Not available at the moment"),
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

    /// Its document. `request` is the request's correlation id.
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
                Self::new(Kind::Conflict, "the same thing is being changed by others; try again")
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
