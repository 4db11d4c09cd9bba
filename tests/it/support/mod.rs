//! What tests of every kind need.

pub mod alone;
pub mod patience;
pub mod postgres;
pub mod size;
