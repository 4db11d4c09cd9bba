//! Meaning of PostgreSQL's errors for the ledger.

use std::error::Error as _;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::migrations::FORMAT;

/// What the writer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WriteFailure {
    /// Another session holds a lock. Nothing was written; retry.
    Busy,
    /// A constraint or trigger refused a row: a predicted position is taken. Nothing was written.
    Refused(String),
    /// Tables or indexes are damaged.
    Damaged(String),
    /// Anything else: a lost connection, a full disk, a stopping server. Whether it was committed is unknown.
    Broken(String),
}

impl WriteFailure {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        let message = describe(error);
        let Some(reported) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) else {
            return Self::Broken(message);
        };
        if !matches!(reported.severity(), PgSeverity::Error) {
            return Self::Broken(message);
        }
        match reported.code() {
            // A lock or statement timeout; a deadlock; a serialisation conflict.
            "55P03" | "57014" | "40P01" | "40001" => Self::Busy,
            code if code.starts_with("23") => Self::Refused(message),
            "XX001" | "XX002" => Self::Damaged(message),
            _ => Self::Broken(message),
        }
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Busy => "another session holds the ledger's lock",
            Self::Refused(message) | Self::Damaged(message) | Self::Broken(message) => message,
        }
    }
}

impl From<sqlx::Error> for WriteFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::of(&error)
    }
}

/// Why a ledger cannot be opened. Addresses are without passwords.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The address is invalid.
    #[error("{redacted} is not a valid ledger address: {why}; write postgres://user@host:5432/database")]
    Address {
        /// The address.
        redacted: String,
        /// The reason.
        why: String,
    },
    /// It belongs to another workspace.
    #[error(
        "{server} contains the ledger of workspace {found:?}, not {asked:?}: set workspace to match, or use another database"
    )]
    OtherWorkspace {
        /// The database.
        server: String,
        /// Its workspace.
        found: String,
        /// The configured workspace.
        asked: String,
    },
    /// It was written by a newer version.
    #[error("{server} has format {found}, but this program supports formats up to {FORMAT}: update the program")]
    TooNew {
        /// The database.
        server: String,
        /// Its format.
        found: i64,
    },
    /// The server is not suitable for a ledger.
    #[error("{server} cannot keep a ledger: {why}")]
    Unfit {
        /// The database.
        server: String,
        /// The reason, and what to do.
        why: String,
    },
    /// The server refused, or did not answer.
    #[error("{server} cannot be opened as a ledger: {reason}")]
    Postgres {
        /// The database.
        server: String,
        /// The error.
        reason: String,
    },
}

/// The error with its chain of causes.
pub(super) fn describe(error: &sqlx::Error) -> String {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return "the server cannot be reached, or all connections are in use".to_owned();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let line = inner.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = inner.source();
    }
    text
}
