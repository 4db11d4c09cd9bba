//! Finds positions by event id: 8 bytes of fingerprint per event and a hash table, together 14 to 19 bytes.
//!
//! Complete ids would take three times that. Two ids may have the same fingerprint, so a result is a candidate: the caller
//! reads the event, which it needs anyway.

/// Fingerprints by position, and a hash table from fingerprints to positions.
#[derive(Debug, Default)]
pub(super) struct Ids {
    fingerprints: Vec<u64>,
    /// Open addressing: 0 is a free slot, `n` means position `n - 1`. The length is a power of two.
    slots: Vec<u32>,
}

/// More events than the table can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableFull;

const SLOTS_MIN: usize = 1_024;

impl Ids {
    /// Adds the id of the next position.
    pub fn push(&mut self, id: u128) -> Result<(), TableFull> {
        let slot = u32::try_from(self.fingerprints.len() + 1).map_err(|_| TableFull)?;
        if (self.fingerprints.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let print = fingerprint(id);
        grow_by_a_quarter(&mut self.fingerprints);
        self.fingerprints.push(print);
        self.put(print, slot);
        Ok(())
    }

    /// Positions of events that may have this id, ascending.
    pub fn candidates(&self, id: u128) -> Vec<u64> {
        let print = fingerprint(id);
        let mut found = Vec::new();
        if self.slots.is_empty() {
            return found;
        }
        let mut at = self.first(print);
        while self.slots[at] != 0 {
            let position = u64::from(self.slots[at] - 1);
            if self.at(position) == Some(print) {
                found.push(position);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        found.sort_unstable();
        found
    }

    fn at(&self, position: u64) -> Option<u64> {
        self.fingerprints.get(usize::try_from(position).ok()?).copied()
    }

    fn first(&self, print: u64) -> usize {
        let mask = self.slots.len() - 1;
        // The upper bits, so that the slot depends on bits that the mask of a small table keeps.
        usize::try_from(print >> 20).unwrap_or(0) & mask
    }

    fn put(&mut self, print: u64, slot: u32) {
        let mut at = self.first(print);
        while self.slots[at] != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        self.slots = vec![0; (self.slots.len() * 2).max(SLOTS_MIN)];
        for position in 0..self.fingerprints.len() {
            // Every stored position has passed the same conversion.
            let slot = u32::try_from(position + 1).unwrap_or(0);
            self.put(self.fingerprints[position], slot);
        }
    }
}

/// Grows without doubling: at a hundred million events, doubling a vector would waste half a gigabyte.
pub(super) fn grow_by_a_quarter<T>(vector: &mut Vec<T>) {
    if vector.len() == vector.capacity() {
        vector.reserve_exact(vector.len() / 4 + 1_024);
    }
}

/// 64 bits that depend on the whole id. Time-ordered ids share their upper bits, hand-made ones their lower.
fn fingerprint(id: u128) -> u64 {
    let [high, low] = [id >> 64, id & u128::from(u64::MAX)];
    let product = (high ^ 0x9E37_79B9_7F4A_7C15) * (low ^ 0xD6E8_FEB8_6659_FD93);
    let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
    let mixed = (folded * 0x2127_599B_F432_5C37) & u128::from(u64::MAX);
    u64::try_from(mixed ^ (mixed >> 29)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_id_is_found_where_it_was_put() {
        let mut ids = Ids::default();
        assert!(ids.candidates(5).is_empty());
        for n in 0..5_000_u128 {
            ids.push((n * n) << (n % 64)).unwrap();
        }
        // 0 comes once; a product that comes twice has both its places.
        for n in (0..5_000_u64).step_by(7) {
            let wide = u128::from(n);
            assert!(ids.candidates((wide * wide) << (n % 64)).contains(&n));
        }
        assert!(ids.candidates(u128::MAX).is_empty());
        ids.push(0).unwrap();
        assert_eq!(ids.candidates(0), [0, 5_000]);
    }

    #[test]
    fn fingerprints_tell_apart() {
        let ordered = (0..20_000_u128).map(|n| (0x0198_0000_0000_7000 + (n << 16)) << 64 | 0x8000_0000_0000_0000);
        let small = 0..20_000_u128;
        let random = (0..20_000_u128).map(|n| 7 << 80 | (n * 0x1_0001_0001) & 0xFFFF_FFFF_FFFF);
        let all: HashSet<u128> = ordered.chain(small).chain(random).collect();
        let prints: HashSet<u64> = all.iter().map(|id| fingerprint(*id)).collect();
        assert_eq!(prints.len(), all.len());
    }
}
