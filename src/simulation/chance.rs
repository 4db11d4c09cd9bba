//! The simulation's only source of randomness: everything follows from one seed.

use crate::adapters::sandbox::model::scramble;

/// A stream of numbers that look random and follow from the seed.
#[derive(Debug, Clone)]
pub(super) struct Chance {
    seed: u64,
    count: u64,
}

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    /// A separate stream for one step: skipping a step changes no other step.
    pub fn of_step(seed: u64, step: u64) -> Self {
        Self::new(scramble(seed ^ 0x5EED_0F57_E9A1, step))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.count += 1;
        scramble(self.seed, self.count)
    }

    /// A number below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next() % n }
    }

    /// A number from `low` to below `high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or(0);
        low + i64::try_from(self.below(span)).unwrap_or(0)
    }

    /// True with a probability of `n` in 1,000.
    pub fn permille(&mut self, n: u64) -> bool {
        self.below(1_000) < n
    }

    /// A random element; `None` if there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len() as u64);
        usize::try_from(at).ok().and_then(|at| of.get(at))
    }
}
