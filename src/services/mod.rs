//! Floor 3: the imperative shell: load, ask the core, store, call. A room for each
//! thing that is served, and in it one verb per file.

pub mod access;
pub mod asyncapi;
pub mod audit;
pub mod bookings;
pub mod commands;
pub mod current_failures;
pub mod error;
pub mod external_events;
pub mod journal;
pub mod models;
pub mod operators;
pub mod people;
pub mod problem;
pub mod relay;
mod snapshots;
pub mod story;
pub mod sync;
pub mod transfer;

pub use error::Error;
