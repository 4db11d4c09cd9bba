//! Meaning of SQLite's errors for the ledger.

use std::{error::Error as _, io, path::PathBuf};

use super::migrations::FORMAT;

/// What the writer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WriteFailure {
    /// Another process holds the write lock. Nothing was written; retry.
    Busy,
    /// A constraint or trigger refused a row: a predicted position is taken. Nothing was written.
    Refused(String),
    /// The file is damaged, or not a database.
    Damaged(String),
    /// Anything else: a failed write, a full disk, a lost connection. Whether the commit reached the disk is unknown.
    Broken(String),
}

impl WriteFailure {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        Self::of_code(code(error), describe(error))
    }

    pub(super) fn of_insert(error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error().and_then(|failure| u32::try_from(failure.extended_code).ok());
        Self::of_code(code, error.to_string())
    }

    fn of_code(code: Option<u32>, message: String) -> Self {
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Busy,
            Some(19) => Self::Refused(message),
            Some(11 | 26) => Self::Damaged(message),
            Some(_) | None => Self::Broken(message),
        }
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Busy => "another process holds the ledger's write lock",
            Self::Refused(message) | Self::Damaged(message) | Self::Broken(message) => message,
        }
    }
}

/// SQLite's extended result code.
fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The address is not `sqlite://` and a path.
    #[error(
        "{0:?} is not a valid ledger address: write sqlite:// and a path, such as sqlite://data/ledger.db, without settings"
    )]
    Address(String),
    /// It belongs to another workspace.
    #[error("{path} is the ledger of workspace {found:?}, not {asked:?}: set workspace to match, or ledger.url to another file", path = .path.display())]
    OtherWorkspace {
        /// The file.
        path: PathBuf,
        /// Its workspace.
        found: String,
        /// The configured workspace.
        asked: String,
    },
    /// It was written by a newer version.
    #[error("{path} has format {found}, but this program supports formats up to {FORMAT}: update the program", path = .path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// An error of the file system.
    #[error("{path} cannot be used", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// An error of SQLite.
    #[error("{path} cannot be opened as a ledger: {reason}", path = .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
}

/// The error with its chain of causes.
pub(super) fn describe(error: &sqlx::Error) -> String {
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
