//! What an error of PostgreSQL means for the ledger.

use std::error::Error as _;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::migrations::FORMAT;

/// What the writer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WriteFailure {
    /// Another session holds what is needed. Nothing is written; try again.
    Busy,
    /// A constraint or trigger refused a row: the place the writer predicted is not free. Nothing is written.
    Refused(String),
    /// Tables or indexes are damaged.
    Damaged(String),
    /// Anything else: a lost connection, a full disk, a server that stops. Whether it was committed is unknown.
    Broken(String),
}

impl WriteFailure {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        let told = describe(error);
        let Some(said) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) else {
            return Self::Broken(told);
        };
        if !matches!(said.severity(), PgSeverity::Error) {
            return Self::Broken(told);
        }
        match said.code() {
            // A lock or a statement took too long; a deadlock; a conflict between serialisable transactions.
            "55P03" | "57014" | "40P01" | "40001" => Self::Busy,
            code if code.starts_with("23") => Self::Refused(told),
            "XX001" | "XX002" => Self::Damaged(told),
            _ => Self::Broken(told),
        }
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Busy => "another session holds the ledger's lock",
            Self::Refused(told) | Self::Damaged(told) | Self::Broken(told) => told,
        }
    }
}

impl From<sqlx::Error> for WriteFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::of(&error)
    }
}

/// Why a ledger does not open. Addresses are without passwords.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The address is none.
    #[error("{redacted} is no address of a ledger: {why}; write postgres://user@host:5432/database")]
    Address {
        /// The address.
        redacted: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is another workspace's.
    #[error(
        "{server} keeps the ledger of workspace {found:?}, not of {asked:?}: every ledger has a database of its own"
    )]
    OtherWorkspace {
        /// The database.
        server: String,
        /// Whose it is.
        found: String,
        /// Whose was asked for.
        asked: String,
    },
    /// A later program wrote it.
    #[error("{server} has format {found}; this program knows formats up to {FORMAT}: update the program")]
    TooNew {
        /// The database.
        server: String,
        /// Its format.
        found: i64,
    },
    /// The server is one that may not keep a ledger.
    #[error("{server} cannot keep a ledger: {why}")]
    Unfit {
        /// The database.
        server: String,
        /// Why, and what to do.
        why: String,
    },
    /// The server said no, or nothing.
    #[error("{server} cannot be opened as a ledger: {reason}")]
    Postgres {
        /// The database.
        server: String,
        /// What it said.
        reason: String,
    },
}

/// The error with its causes, once each.
pub(super) fn describe(error: &sqlx::Error) -> String {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return "the server cannot be reached, or all sessions with it are busy".to_owned();
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
