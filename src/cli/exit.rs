//! Why a command stopped, and the exit codes: the only file that knows their numbers.

use std::{fmt, io, process::ExitCode};

use crate::{config::Problems, services};

/// Why a command stopped before its end.
#[derive(Debug)]
pub enum CliError {
    /// A check failed, work was refused, or something needed is not available.
    Refused(String),
    /// It was called wrongly, or the configuration is wrong.
    Usage(String),
    /// Whoever read our output has read enough.
    OutputClosed,
}

impl CliError {
    /// What becomes of the process.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Refused(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }

    /// Refused, for that reason.
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }

    /// Called wrongly, in that way.
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

/// A whole chain of causes, once.
impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Refused(format!("{error:#}"))
    }
}

/// Of printing.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::refused(format!("the output cannot be written: {error}")),
        }
    }
}
