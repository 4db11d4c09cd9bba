//! Recognises a ledger on a server: keys, tokens and checkpoints stored next to it must not be used with
//! another ledger, or with one that has lost events.

use sha2::{Digest as _, Sha256};

use super::{event_store::EventStoreDbLedger, read};
use crate::{domain::ids::Position, ports::event_store::Failure};

/// Low bits of a mark, which identify a place in the server's log; the upper bits are the ledger's length.
const PLACE_BITS: u32 = 31;

impl EventStoreDbLedger {
    /// A number below 2^63 that identifies the first event; 0 for an empty ledger.
    ///
    /// # Errors
    /// Failures of reading.
    pub async fn origin(&self) -> Result<u64, Failure> {
        let first = read::all(&self.0, Position(0), 1).await?;
        Ok(first.first().map_or(0, |first| (digest(first.event.id.0.as_bytes()) >> 1) | 1))
    }

    /// A number below 2^63 that combines the length of the ledger and the place of its last event in the server's log. It
    /// grows with the ledger.
    pub fn mark(&self) -> u64 {
        let end = self.0.index().end();
        self.mark_at(end).unwrap_or(0)
    }

    /// Whether the ledger once had this mark and still has all its events.
    pub fn bears(&self, mark: u64) -> bool {
        self.mark_at(mark >> PLACE_BITS) == Some(mark)
    }

    fn mark_at(&self, end: u64) -> Option<u64> {
        let Some(last) = end.checked_sub(1) else { return Some(0) };
        let place = self.0.index().log_at(last)?;
        let place = digest(&[place.commit.to_be_bytes(), place.prepare.to_be_bytes()].concat());
        Some((end << PLACE_BITS) | (place & ((1 << PLACE_BITS) - 1)))
    }
}

/// The first eight bytes of SHA-256.
fn digest(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}
