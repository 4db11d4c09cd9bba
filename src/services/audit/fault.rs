//! What a check found, and where.

use std::fmt;

use serde::Serialize;

use crate::{domain::ids::Position, record::envelope::StoredEvent};

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Fault {
    /// Where in the ledger; `None` where the fault is in no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The last position that may be meant, where only a range is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<u64>,
    /// The event's stream, where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Its place there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The line, from 1, where a file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    /// A fault that is in no event.
    pub fn general(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// A fault at a place of which nothing more can be read.
    pub fn at(position: Position, reason: impl Into<String>) -> Self {
        Self { position: Some(position.0), reason: reason.into(), ..Self::default() }
    }

    /// A fault of an event.
    pub fn of(it: &StoredEvent, reason: impl Into<String>) -> Self {
        let (stream, version) = (Some(it.stream.to_string()), Some(it.version.0));
        Self { stream, version, ..Self::at(it.position, reason) }
    }

    /// The same, found on that line of a file.
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
