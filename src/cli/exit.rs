//! Why a command failed, and the exit codes: the only file that knows their numbers.

use std::{fmt, io, process::ExitCode};

use crate::{config::Problems, services};

/// Why a command ended early.
#[derive(Debug)]
pub enum CliError {
    /// A check failed, the work was refused, or something it needs is not available. Exit code 1.
    Refused(String),
    /// Wrong arguments or a wrong configuration. Exit code 2.
    Usage(String),
    /// The reader of our output closed the pipe.
    OutputClosed,
}

impl CliError {
    /// The exit code of the process.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Refused(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }

    /// A refusal with this reason.
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }

    /// A usage error with this reason.
    pub fn usage(reason: impl fmt::Display) -> Self {
        Self::Usage(reason.to_string())
    }
}

impl From<services::Error> for CliError {
    fn from(error: services::Error) -> Self {
        Self::refused(error)
    }
}

impl From<services::models::project::Error> for CliError {
    fn from(error: services::models::project::Error) -> Self {
        Self::refused(error)
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        Self::usage(problems)
    }
}

/// Joins the chain of causes into one message.
impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Refused(format!("{error:#}"))
    }
}

/// Errors while printing.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::refused(format!("cannot write the output: {error}")),
        }
    }
}
