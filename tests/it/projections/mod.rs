//! Read models: what facts become in tables, and that every store keeps them alike.

pub mod choices;
mod forgotten;
mod laws;
mod rebuild;
mod story;
pub mod world;
