//! Time, ids and randomness, as arguments. Only `adapters/system` gets them from the machine.

use chrono::{DateTime, Utc};

use crate::domain::ids::EventId;

/// Source of time, ids and randomness. One per process; in the simulation it is virtual and seeded.
pub trait Clock: Send + Sync {
    /// Current time, in microseconds.
    fn now(&self) -> DateTime<Utc>;
    /// A new UUIDv7 (RFC 9562 §5.7), greater than all previous ones of this clock.
    fn event_id(&self) -> EventId;
    /// 64 random bits, for example for jitter.
    fn chance(&self) -> u64;
    /// Fills `bytes` with random bytes suitable for keys and nonces.
    fn fill(&self, bytes: &mut [u8]);
}
