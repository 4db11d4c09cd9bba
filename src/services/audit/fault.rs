//! A fault found by verification, and where it is.

use std::fmt;

use serde::Serialize;

use crate::{domain::ids::Position, record::envelope::StoredEvent};

/// A fault in the ledger, a checkpoint or an export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Fault {
    /// Position in the ledger; `None` if the fault is not in an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Last possible position, if only a range is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<u64>,
    /// The event's stream, if readable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The event's version in its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Line number from 1, if a file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    /// A fault that is not in an event.
    pub fn general(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// A fault at a position where nothing more can be read.
    pub fn at(position: Position, reason: impl Into<String>) -> Self {
        Self { position: Some(position.0), reason: reason.into(), ..Self::default() }
    }

    /// A fault in an event.
    pub fn of(it: &StoredEvent, reason: impl Into<String>) -> Self {
        let (stream, version) = (Some(it.stream.to_string()), Some(it.version.0));
        Self { stream, version, ..Self::at(it.position, reason) }
    }

    /// Adds the line of a file where it was found.
    #[must_use]
    pub fn on(self, line: u64) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        match (self.position, self.up_to) {
            (Some(first), Some(last)) if last > first => write!(f, "positions {first} to {last}")?,
            (Some(first), _) => write!(f, "position {first}")?,
            (None, _) if self.line.is_none() => return f.write_str(&self.reason),
            (None, _) => write!(f, "no event")?,
        }
        if let (Some(stream), Some(version)) = (&self.stream, self.version) {
            write!(f, " ({stream}@{version})")?;
        }
        write!(f, ": {}", self.reason)
    }
}
