//! Failures of calls to the server, and calls with a deadline that catch the client's panics.

use std::{panic::AssertUnwindSafe, time::Duration};

use eventstore::Error;
use futures::FutureExt as _;

use crate::ports::event_store::Failure;

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerFailure {
    /// The server was unreachable or did not answer in time: whether it did anything is unknown.
    Broken(String),
    /// The server refused this request.
    Refused(String),
    /// The request can never succeed.
    Unfit(String),
    /// The credentials lack permission.
    Denied,
    /// The stream does not exist.
    NotFound,
    /// The stream was deleted.
    Deleted,
}

impl ServerFailure {
    /// The failure for callers of the port.
    pub fn into_failure(self, stream: &str) -> Failure {
        match self {
            Self::Broken(why) | Self::Refused(why) => Failure::Unavailable(why),
            Self::Unfit(why) => Failure::Invalid(why),
            Self::Denied => Failure::Unavailable(DENIED.to_owned()),
            Self::NotFound => Failure::Unavailable("not found on the server".to_owned()),
            Self::Deleted => Failure::Corrupt {
                at: stream.to_owned(),
                reason: "the stream was deleted on the server; restore the server from its backup".to_owned(),
            },
        }
    }
}

impl std::fmt::Display for ServerFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(why) | Self::Refused(why) | Self::Unfit(why) => f.write_str(why),
            Self::Denied => f.write_str(DENIED),
            Self::NotFound => f.write_str("not found on the server"),
            Self::Deleted => f.write_str("the stream was deleted"),
        }
    }
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The connection string is invalid.
    #[error("{url:?} is not a valid address of EventStoreDB or KurrentDB: {reason}")]
    Address {
        /// The string, without a password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The server is unreachable or not suitable.
    #[error("{server} cannot be used as a ledger: {reason}")]
    Server {
        /// Address of the server.
        server: String,
        /// The reason.
        reason: String,
    },
    /// The credentials lack permissions.
    #[error("{server} cannot be used as a ledger: {DENIED}")]
    Denied {
        /// Address of the server.
        server: String,
    },
    /// The log is not that of a complete ledger.
    #[error("the log of {server} is damaged: {reason}")]
    Damaged {
        /// Address of the server.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What an operator can do if the server denies access.
pub(super) const DENIED: &str =
    "the server rejects these credentials: the user must be allowed to read $all and to write the ledger's streams";

impl From<Error> for ServerFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied => Self::Denied,
            Error::ResourceNotFound => Self::NotFound,
            Error::ResourceDeleted => Self::Deleted,
            Error::UnsupportedFeature => {
                Self::Unfit("the server does not support batch append: version 21.10 or later is needed".to_owned())
            }
            Error::WrongExpectedVersion { .. } | Error::ResourceAlreadyExists => Self::Refused(error.to_string()),
            Error::Grpc { code, message } => by_code(i32::from(code), message),
            Error::ConnectionClosed => Self::Broken("there is no connection to the server".to_owned()),
            Error::GrpcConnectionError(why) => {
                Self::Broken(format!("the server cannot be reached: {}", plain(&why.to_string())))
            }
            Error::ServerError(why) => Self::Broken(plain(&why)),
            // Includes "not leader", which the client handles itself by following the new leader.
            other => Self::Broken(other.to_string()),
        }
    }
}

/// The message in a status that the client has formatted with all fields.
fn plain(text: &str) -> String {
    let message = text.split_once("message: \"").and_then(|(_, rest)| rest.split_once("\", details:"));
    message.map_or(text, |(message, _)| message).to_owned()
}

/// The meaning of a gRPC status code, of a call or of an append in a batch.
fn by_code(code: i32, message: String) -> ServerFailure {
    match code {
        // CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS
        1 | 2 | 4 | 10 | 13 | 14 | 15 => ServerFailure::Broken(message),
        // NOT_FOUND
        5 => ServerFailure::NotFound,
        // PERMISSION_DENIED, UNAUTHENTICATED
        7 | 16 => ServerFailure::Denied,
        // INVALID_ARGUMENT, OUT_OF_RANGE
        3 | 11 => ServerFailure::Unfit(format!("the server answered: {message}")),
        _ if message.to_lowercase().replace([' ', '-', '_'], "").contains("deleted") => ServerFailure::Deleted,
        _ => ServerFailure::Refused(message),
    }
}

/// Makes a call with a time limit; a panic of the client counts as a lost connection.
pub(super) async fn call<T>(
    within: Duration,
    what: impl Future<Output = eventstore::Result<T>>,
) -> Result<T, ServerFailure> {
    match tokio::time::timeout(within, AssertUnwindSafe(what).catch_unwind()).await {
        Ok(Ok(answer)) => answer.map_err(ServerFailure::from),
        Ok(Err(_)) => Err(ServerFailure::Broken("the client failed on an unexpected answer".to_owned())),
        Err(_) => Err(ServerFailure::Broken(format!("no answer within {} s", within.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_reads_is_the_message() {
        let text =
            r#"status: Unknown, message: "client error (Connect)", details: [], metadata: MetadataMap { headers: {} }"#;
        assert_eq!(
            ServerFailure::from(Error::ServerError(text.to_owned())),
            ServerFailure::Broken("client error (Connect)".to_owned())
        );
        assert_eq!(plain("broken pipe"), "broken pipe");
    }
}
