//! The position of an event in the server's log.

/// A place in the server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct LogPosition {
    pub commit: u64,
    pub prepare: u64,
}

impl LogPosition {
    /// In the client's type.
    pub fn wire(self) -> eventstore::Position {
        eventstore::Position { commit: self.commit, prepare: self.prepare }
    }
}
