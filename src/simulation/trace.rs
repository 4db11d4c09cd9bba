//! The trace of a simulation: the same plan gives the same lines, and the same hash over them.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

/// The lines of the trace and a hash over them.
pub(super) struct Trace {
    hash: Sha256,
    /// The lines so far, if they are kept.
    pub lines: Vec<String>,
    /// Whether the lines are kept.
    pub keep: bool,
}

impl Trace {
    /// An empty trace; its lines are kept if `keep`.
    pub fn new(keep: bool) -> Self {
        Self { hash: Sha256::new(), lines: Vec::new(), keep }
    }

    /// Adds a line, with the step and the time.
    pub fn add(&mut self, step: u32, at: DateTime<Utc>, line: &str) {
        self.hash.update(step.to_be_bytes());
        self.hash.update(at.timestamp_millis().to_be_bytes());
        self.hash.update(line.as_bytes());
        self.hash.update([0]);
        if self.keep {
            self.lines.push(format!("{step:>4} {} {line}", at.format("%m-%d %H:%M:%S%.3f")));
        }
    }

    /// The hash over all lines so far and `last`.
    pub fn hash_with(&self, last: &[u8]) -> String {
        let mut hash = self.hash.clone();
        hash.update(last);
        data_encoding::HEXLOWER.encode(&hash.finalize()[..16])
    }
}
