//! What came of a call to the server, and how a call is made: with a deadline, and with the client's panics caught.

use std::{panic::AssertUnwindSafe, time::Duration};

use eventstore::Error;
use futures::FutureExt as _;

use crate::ports::event_store::Failure;

/// How a call ended that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerFailure {
    /// The server was not reached, or did not answer in time: nothing is known to have been done.
    Broken(String),
    /// The server said no to this very request.
    Refused(String),
    /// The request itself can never be done.
    Unfit(String),
    /// These credentials may not do this.
    Denied,
    /// There is no such stream.
    NotFound,
    /// The stream was deleted.
    Deleted,
}

impl ServerFailure {
    /// What a caller of the port is told.
    pub fn into_failure(self, stream: &str) -> Failure {
        match self {
            Self::Broken(why) | Self::Refused(why) => Failure::Unavailable(why),
            Self::Unfit(why) => Failure::Invalid(why),
            Self::Denied => Failure::Unavailable(DENIED.to_owned()),
            Self::NotFound => Failure::Unavailable("the server does not know what was asked for".to_owned()),
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
            Self::NotFound => f.write_str("the server does not know what was asked for"),
            Self::Deleted => f.write_str("the stream was deleted"),
        }
    }
}

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The connection string is wrong.
    #[error("{url:?} is no address of EventStoreDB or KurrentDB: {reason}")]
    Address {
        /// The string, without a password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The server is not there, or not as it should be.
    #[error("{server} cannot be used as a ledger: {reason}")]
    Server {
        /// Which.
        server: String,
        /// What it says.
        reason: String,
    },
    /// The credentials do not suffice.
    #[error("{server} cannot be used as a ledger: {DENIED}")]
    Denied {
        /// Which.
        server: String,
    },
    /// The log cannot be a ledger's.
    #[error("the log of {server} is damaged: {reason}")]
    Damaged {
        /// Which.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What an operator can do about a server that says no.
pub(super) const DENIED: &str =
    "the server refuses these credentials: the user must be allowed to read $all and to write our streams";

impl From<Error> for ServerFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied => Self::Denied,
            Error::ResourceNotFound => Self::NotFound,
            Error::ResourceDeleted => Self::Deleted,
            Error::UnsupportedFeature => {
                Self::Unfit("the server does not know batch append: it must be 21.10 or later".to_owned())
            }
            Error::WrongExpectedVersion { .. } | Error::ResourceAlreadyExists => Self::Refused(error.to_string()),
            Error::Grpc { code, message } => by_code(i32::from(code), message),
            Error::ConnectionClosed => Self::Broken("there is no connection to the server".to_owned()),
            Error::GrpcConnectionError(why) => {
                Self::Broken(format!("the server cannot be reached: {}", plain(&why.to_string())))
            }
            Error::ServerError(why) => Self::Broken(plain(&why)),
            // With what would be the name of a new leader, which the client follows itself.
            other => Self::Broken(other.to_string()),
        }
    }
}

/// The message within a status that the client has written out whole.
fn plain(told: &str) -> String {
    let message = told.split_once("message: \"").and_then(|(_, rest)| rest.split_once("\", details:"));
    message.map_or(told, |(message, _)| message).to_owned()
}

/// What a status code of gRPC means, whether it is the call's own or an append's within a batch.
fn by_code(code: i32, message: String) -> ServerFailure {
    match code {
        // CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS
        1 | 2 | 4 | 10 | 13 | 14 | 15 => ServerFailure::Broken(message),
        // NOT_FOUND
        5 => ServerFailure::NotFound,
        // PERMISSION_DENIED, UNAUTHENTICATED
        7 | 16 => ServerFailure::Denied,
        // INVALID_ARGUMENT, OUT_OF_RANGE
        3 | 11 => ServerFailure::Unfit(format!("the server says: {message}")),
        _ if message.to_lowercase().replace([' ', '-', '_'], "").contains("deleted") => ServerFailure::Deleted,
        _ => ServerFailure::Refused(message),
    }
}

/// Makes a call: at most `within`, and a panic of the client on an answer it did not expect is a broken call.
pub(super) async fn call<T>(
    within: Duration,
    what: impl Future<Output = eventstore::Result<T>>,
) -> Result<T, ServerFailure> {
    match tokio::time::timeout(within, AssertUnwindSafe(what).catch_unwind()).await {
        Ok(Ok(answer)) => answer.map_err(ServerFailure::from),
        Ok(Err(_)) => Err(ServerFailure::Broken("the client ended on an answer that it did not expect".to_owned())),
        Err(_) => Err(ServerFailure::Broken(format!("no answer within {} s", within.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_reads_is_the_message() {
        let told =
            r#"status: Unknown, message: "client error (Connect)", details: [], metadata: MetadataMap { headers: {} }"#;
        assert_eq!(
            ServerFailure::from(Error::ServerError(told.to_owned())),
            ServerFailure::Broken("client error (Connect)".to_owned())
        );
        assert_eq!(plain("broken pipe"), "broken pipe");
    }
}
