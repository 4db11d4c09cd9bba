//! The simulation: seeds that must hold, and planted bugs that must not.

mod careless;
mod planted;
mod seeds;
mod skewed;
