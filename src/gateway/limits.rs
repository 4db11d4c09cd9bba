//! How long and how many, of everything that a client can make us do.

use std::time::Duration;

/// The limits of time and number that a deployment may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take to shake hands and to say that it speaks HTTP/2.
    pub greeting_time: Duration,
    /// How long an append may take, whatever deadline its sender gave it.
    pub append_time: Duration,
    /// How often a quiet connection is asked whether somebody is still there, and how long it may take to answer.
    pub keepalive: Duration,
    /// How long calls under way may take once the end was asked for.
    pub end_time: Duration,
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Calls at a time on one connection: reads, subscriptions, appends.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            greeting_time: Duration::from_secs(10),
            append_time: Duration::from_secs(30),
            keepalive: Duration::from_secs(20),
            end_time: Duration::from_secs(10),
            connections: 256,
            streams: 256,
        }
    }
}

/// Events read from the ledger at once, and so the most that a reader holds for a client that is slow to take them.
pub(super) const PAGE_EVENTS: usize = 256;
/// Answers that wait for a client to take them.
pub(super) const ANSWERS_WAITING: usize = 64;
/// Most prefixes in a filter.
pub(super) const PREFIXES_MAX: usize = 128;
/// The longest expression of a filter, in bytes.
pub(super) const EXPRESSION_BYTES_MAX: usize = 1_024;
/// Steps back that an expression may take over one name.
pub(super) const EXPRESSION_STEPS_MAX: usize = 10_000;
/// Batch appends of one session that are carried out at the same time, those to one stream never.
pub(super) const LANES: usize = 32;
/// Bytes that one session of batch appends may have under way; more are not read from the network until some are done.
pub(super) const SESSION_BYTES: u32 = 32 * 1024 * 1024;
/// Appends of one session that have begun and not ended.
pub(super) const UNFINISHED_MAX: usize = 64;
