//! Limits of time and number for every connection and request.

use std::time::Duration;

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time limit for the headers of the next request on a connection; a connection that is too slow or idle
    /// is closed.
    pub header_time: Duration,
    /// Time limit for receiving a body.
    pub body_time: Duration,
    /// Time limit for a whole request.
    pub request_time: Duration,
    /// Time that running requests get during shutdown.
    pub end_time: Duration,
    /// Maximum number of open connections; more wait in the kernel's queue.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(15),
            request_time: Duration::from_secs(30),
            end_time: Duration::from_secs(10),
            connections: 1_024,
        }
    }
}
