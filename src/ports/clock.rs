//! Time, identity and chance, as arguments. Only `adapters/system` asks the machine for any of them.

use chrono::{DateTime, Utc};

use crate::domain::ids::EventId;

/// Tells the time and hands out ids and chance. One per process; the simulation's is virtual and seeded.
pub trait Clock: Send + Sync {
    /// Now, to the microsecond.
    fn now(&self) -> DateTime<Utc>;
    /// A fresh UUIDv7 (RFC 9562 §5.7), greater than every one this clock handed out before.
    fn event_id(&self) -> EventId;
    /// 64 random bits: jitter and tokens' halves come from here.
    fn chance(&self) -> u64;
    /// `N` bytes fit for keys and nonces.
    fn fill(&self, bytes: &mut [u8]);
}
