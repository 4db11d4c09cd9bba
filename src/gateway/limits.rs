//! Limits of everything that a client can make us do.

use std::time::Duration;

/// Limits of time and number that a deployment may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time limit for the TLS handshake and the HTTP/2 preface.
    pub greeting_time: Duration,
    /// Time limit for an append, whatever deadline the client sets.
    pub append_time: Duration,
    /// Keep-alive ping interval of a quiet connection, and time limit for the answer.
    pub keepalive: Duration,
    /// How often calls without an end check that their token is still valid.
    pub recheck: Duration,
    /// Time that running calls get during shutdown.
    pub end_time: Duration,
    /// Maximum number of connections; more wait in the kernel's queue.
    pub connections: usize,
    /// Maximum number of concurrent calls per connection: reads, subscriptions, appends.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            greeting_time: Duration::from_secs(10),
            append_time: Duration::from_secs(30),
            keepalive: Duration::from_secs(20),
            recheck: Duration::from_secs(30),
            end_time: Duration::from_secs(10),
            connections: 256,
            streams: 256,
        }
    }
}

/// Events per read from the ledger, and so the maximum held for a slow client.
pub(super) const PAGE_EVENTS: usize = 256;
/// Responses waiting for a client to receive them.
pub(super) const ANSWERS_WAITING: usize = 64;
/// Maximum number of prefixes in a filter.
pub(super) const PREFIXES_MAX: usize = 128;
/// Maximum length of a filter's regular expression, in bytes.
pub(super) const EXPRESSION_BYTES_MAX: usize = 1_024;
/// Maximum number of backtracking steps of an expression on one name.
pub(super) const EXPRESSION_STEPS_MAX: usize = 10_000;
/// Batch appends of a session that run at the same time; those to one stream never do.
pub(super) const LANES: usize = 32;
/// Maximum size of a session's running batch appends, in bytes; more are not read from the network until some are done.
pub(super) const SESSION_BYTES: u32 = 32 * 1024 * 1024;
/// Maximum number of unfinished appends per session.
pub(super) const UNFINISHED_MAX: usize = 64;
