//! The simulation: seeds that must hold, and planted bugs that must not.

mod seeds;
