//! UUIDv7 (RFC 9562 §5.7) that only ever rise, from a time and chance that are handed in.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The 74 bits of a UUIDv7 that are neither time, version nor variant.
const TAIL_BITS: u32 = 74;

/// Hands out ids, each greater than the one before, whatever the clock does.
#[derive(Debug, Default)]
pub struct EventIds {
    /// Milliseconds since 1970, 48 bits.
    ms: u64,
    tail: u128,
}

impl EventIds {
    /// The next id. `chance` is 128 fresh random bits.
    ///
    /// Within one millisecond (or while the clock runs back) the tail counts up by a random step (RFC 9562 §6.2, method 2),
    /// so an id cannot be guessed from the one before; each millisecond starts in the lower half, so that it does not overflow.
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
