//! The simulation: seeds that must hold, and planted bugs that must not.

mod planted;
mod seeds;
mod skewed;
