//! A clock that stands still unless set, with ids and randomness from one seed: for tests and the simulation.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{domain::ids::EventId, ledger::append::to_micros, ports::clock::Clock, record::event_ids::EventIds};

/// The virtual clock. The same seed and the same calls give the same results.
#[derive(Debug)]
pub struct VirtualClock(Mutex<State>);

#[derive(Debug)]
struct State {
    now: DateTime<Utc>,
    seed: u64,
    ids: EventIds,
}

impl VirtualClock {
    /// A clock at `now`.
    pub fn new(seed: u64, now: DateTime<Utc>) -> Self {
        Self(Mutex::new(State { now: to_micros(now), seed, ids: EventIds::default() }))
    }

    /// Sets the time, which may be earlier than before.
    pub fn set(&self, now: DateTime<Utc>) {
        self.state().now = to_micros(now);
    }

    /// Moves the time by `by`, which may be negative; does nothing if the result is out of range.
    pub fn advance(&self, by: TimeDelta) {
        let mut state = self.state();
        state.now = state.now.checked_add_signed(by).map_or(state.now, to_micros);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The SplitMix64 generator (Steele, Lea, Flood 2014): tiny, and the same on every platform and release.
    fn chance(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        self.state().now
    }

    fn event_id(&self) -> EventId {
        let mut state = self.state();
        let chance = u128::from(state.chance()) << 64 | u128::from(state.chance());
        let now = state.now;
        EventId(state.ids.next(now, chance))
    }

    fn chance(&self) -> u64 {
        self.state().chance()
    }

    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state();
        for chunk in bytes.chunks_mut(8) {
            let word = state.chance().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(seed: u64) -> VirtualClock {
        VirtualClock::new(seed, DateTime::from_timestamp(1_780_000_000, 123_456_789).expect("in range"))
    }

    #[test]
    fn the_same_seed_gives_the_same_world() {
        let world = |seed| {
            let clock = clock(seed);
            let mut bytes = [0; 13];
            clock.fill(&mut bytes);
            (clock.chance(), clock.event_id(), clock.event_id(), bytes, clock.now())
        };
        assert_eq!(world(7), world(7));
        assert_ne!(world(7), world(8));
    }

    #[test]
    fn ids_rise_while_time_stands_still_and_while_it_runs_back() {
        let clock = clock(1);
        let mut last = clock.event_id();
        for step in 0..10_000 {
            if step % 3 == 0 {
                clock.advance(TimeDelta::milliseconds(if step % 2 == 0 { 1 } else { -5 }));
            }
            let next = clock.event_id();
            assert!(next > last && next.0.get_version_num() == 7, "{last} then {next}");
            last = next;
        }
    }

    #[test]
    fn now_is_cut_to_the_microsecond_and_moves_when_told() {
        let clock = clock(1);
        assert_eq!(clock.now().timestamp_subsec_nanos(), 123_456_000);
        let then = clock.now();
        clock.advance(TimeDelta::hours(48));
        assert_eq!(clock.now() - then, TimeDelta::hours(48));
        clock.set(then);
        assert_eq!(clock.now(), then);
    }
}
