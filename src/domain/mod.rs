//! Floor 0: facts and rules. No clock, no I/O, no async; everything here is a value or a function of values.

pub mod ids;
