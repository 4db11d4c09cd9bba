//! How long and how many: the limits of time and number that every connection and every request has.

use std::time::Duration;

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take to send the headers of its next request: one that sends a byte now and then, or
    /// nothing at all, is closed.
    pub header_time: Duration,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long a request may take in all.
    pub request_time: Duration,
    /// How long requests under way may take once the end was asked for.
    pub end_time: Duration,
    /// Connections at a time; more wait in the kernel's queue.
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
