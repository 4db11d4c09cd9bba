//! Errors of appends and reads in the wire protocol: the only place that knows its codes.

use tonic::{Code, Status, metadata::MetadataValue};

use super::{
    expectation::Expectation,
    wire::{self, Any, ErrorStatus},
};
use crate::{domain::ids::Version, ledger::append::APPEND_BYTES_MAX, ports::event_store::Failure, services};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The stream has another version.
    #[error("WrongExpectedVersion")]
    WrongVersion(Option<Version>),
    /// The request is invalid, or not allowed in this ledger.
    #[error("{0}")]
    Invalid(String),
    /// An id is already recorded with different content.
    #[error("{0}")]
    IdTaken(String),
    /// The append is too large.
    #[error("an append may contain at most {APPEND_BYTES_MAX} bytes")]
    TooLarge,
    /// The caller lacks permission.
    #[error("{0}")]
    Forbidden(String),
    /// The deadline passed. The events may or may not be written.
    #[error("not written before the deadline, but it may still be written: retry with the same ids")]
    DeadlineExceeded,
    /// A dependency is unavailable. The events may or may not be written.
    #[error("{0}")]
    Unavailable(String),
    /// Stored data is damaged.
    #[error("{0}")]
    Damaged(String),
    /// Not supported.
    #[error("{0}")]
    NotSupported(String),
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::WrongVersion(_) | Self::IdTaken(_) => Code::AlreadyExists,
            Self::Invalid(_) | Self::TooLarge => Code::InvalidArgument,
            Self::Forbidden(_) => Code::PermissionDenied,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Damaged(_) => Code::DataLoss,
            Self::NotSupported(_) => Code::Unimplemented,
        }
    }

    /// As a status that ends the call, with the name by which clients recognise some errors.
    pub(super) fn status(&self) -> Status {
        let mut status = Status::new(self.code(), self.to_string());
        let name = match self {
            Self::WrongVersion(_) => "wrong-expected-version",
            Self::TooLarge => "maximum-append-size-exceeded",
            Self::Forbidden(_) => "access-denied",
            Self::Invalid(_)
            | Self::IdTaken(_)
            | Self::DeadlineExceeded
            | Self::Unavailable(_)
            | Self::Damaged(_)
            | Self::NotSupported(_) => return status,
        };
        status.metadata_mut().insert("exception", MetadataValue::from_static(name));
        if *self == Self::TooLarge {
            status.metadata_mut().insert("maximum-append-size", MetadataValue::from(APPEND_BYTES_MAX));
        }
        status
    }

    /// As the error inside an answer to a batch append that expected `expected`.
    pub(super) fn error(&self, expected: Expectation) -> ErrorStatus {
        let details = match self {
            Self::WrongVersion(actual) => packed("WrongExpectedVersion", &expected.wrong_in_batch(*actual)),
            Self::Forbidden(_) => packed("AccessDenied", &wire::AccessDenied {}),
            Self::DeadlineExceeded => packed("Timeout", &wire::Timeout {}),
            Self::TooLarge => {
                let max = u32::try_from(APPEND_BYTES_MAX).unwrap_or(u32::MAX);
                packed("MaximumAppendSizeExceeded", &wire::MaximumAppendSizeExceeded { max_append_size: max })
            }
            Self::Invalid(why) | Self::IdTaken(why) | Self::NotSupported(why) => {
                packed("BadRequest", &wire::BadRequest { message: why.clone() })
            }
            Self::Unavailable(_) | Self::Damaged(_) => packed("Unknown", &wire::Unknown {}),
        };
        ErrorStatus { code: self.code().into(), message: self.to_string(), details: Some(details) }
    }
}

fn packed(name: &str, message: &impl prost::Message) -> Any {
    Any { type_url: format!("type.googleapis.com/event_store.client.{name}"), value: message.encode_to_vec() }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict { actual, .. } => Self::WrongVersion(actual),
            Failure::IdTaken(_) => Self::IdTaken(failure.to_string()),
            Failure::Invalid(_) => Self::Invalid(failure.to_string()),
            Failure::Unavailable(_) | Failure::ProgramTooOld { .. } => Self::Unavailable(failure.to_string()),
            Failure::Corrupt { .. } => Self::Damaged(failure.to_string()),
        }
    }
}

impl From<services::Error> for Refusal {
    fn from(error: services::Error) -> Self {
        use crate::ports::vault;
        match error {
            services::Error::Ledger(failure) => failure.into(),
            services::Error::Refused(_)
            | services::Error::NotFound { .. }
            | services::Error::Invalid(_)
            | services::Error::Vault(vault::Failure::Forgotten(_)) => Self::Invalid(error.to_string()),
            services::Error::Damaged { .. } => Self::Damaged(error.to_string()),
            services::Error::Busy
            | services::Error::Vault(_)
            | services::Error::Tokens(_)
            | services::Error::SigningKeys(_)
            | services::Error::CheckpointArchive(_)
            | services::Error::ReadModels(_) => Self::Unavailable(error.to_string()),
        }
    }
}
