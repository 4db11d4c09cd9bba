//! The real clock: the machine's time, ascending ids, and the operating system's randomness.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use rand::{TryRng as _, rngs::SysRng};

use crate::{domain::ids::EventId, ledger::append::to_micros, ports::clock::Clock, record::event_ids::EventIds};

/// The machine's clock. One per process, so that its ids are ascending.
#[derive(Debug, Default)]
pub struct SystemClock(Mutex<EventIds>);

impl SystemClock {
    /// The clock.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        to_micros(Utc::now())
    }

    fn event_id(&self) -> EventId {
        // The thread's generator (ChaCha12, seeded by the system) is unpredictable and needs no system call per id.
        let chance = rand::random();
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        EventId(ids.next(Utc::now(), chance))
    }

    fn chance(&self) -> u64 {
        rand::random()
    }

    fn fill(&self, bytes: &mut [u8]) {
        // Keys come directly from the operating system. Without its randomness, stopping is better than continuing.
        SysRng.try_fill_bytes(bytes).expect("the operating system provides randomness");
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc, thread};

    use super::*;

    #[test]
    fn ids_rise_and_never_repeat_over_threads() {
        let clock = Arc::new(SystemClock::new());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let clock = Arc::clone(&clock);
                thread::spawn(move || (0..20_000).map(|_| clock.event_id()).collect::<Vec<_>>())
            })
            .collect();
        let mut seen = HashSet::new();
        for handle in threads {
            let ids = handle.join().expect("the thread ends well");
            assert!(ids.is_sorted());
            assert!(ids.iter().all(|id| id.0.get_version_num() == 7 && seen.insert(*id)));
        }
    }

    #[test]
    fn an_id_carries_the_time_and_now_has_microseconds() {
        let clock = SystemClock::new();
        let now = clock.now();
        assert_eq!(now.timestamp_subsec_nanos() % 1_000, 0);
        let ms = i64::try_from(clock.event_id().0.as_u128() >> 80).expect("48 bits fit");
        assert!((ms - now.timestamp_millis()).abs() < 10_000);
    }

    #[test]
    fn fill_fills() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemClock::new().fill(&mut a);
        SystemClock::new().fill(&mut b);
        assert_ne!(a, b);
    }
}
