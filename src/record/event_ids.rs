//! Ascending UUIDv7 (RFC 9562 §5.7), from a time and randomness passed in.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The 74 bits of a UUIDv7 that are neither time, version nor variant.
const TAIL_BITS: u32 = 74;

/// Generates ids, each greater than the previous one, whatever the clock does.
#[derive(Debug, Default)]
pub struct EventIds {
    /// Milliseconds since 1970, 48 bits.
    ms: u64,
    tail: u128,
}

impl EventIds {
    /// The next id. `chance` is 128 new random bits.
    ///
    /// Within a millisecond (or while the clock runs backwards) the tail grows by a random step (RFC 9562 §6.2, method 2),
    /// so an id cannot be guessed from the previous one; each millisecond starts in the lower half to avoid overflow.
    pub fn next(&mut self, now: DateTime<Utc>, chance: u128) -> Uuid {
        let ms = u64::try_from(now.timestamp_millis()).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
        let stepped = self.tail + 1 + (chance & 0xFFFF_FFFF);
        if ms > self.ms {
            (self.ms, self.tail) = (ms, chance >> (128 - TAIL_BITS + 1));
        } else if stepped >> TAIL_BITS == 0 {
            self.tail = stepped;
        } else {
            (self.ms, self.tail) = (self.ms + 1, chance >> (128 - TAIL_BITS + 1));
        }
        let (high, low) = (self.tail >> 62, self.tail & ((1 << 62) - 1));
        Uuid::from_u128(u128::from(self.ms) << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
    }
}
