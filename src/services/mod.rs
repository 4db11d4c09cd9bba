//! Floor 3: the imperative shell: load, ask the core, store, call. One folder per area,
//! one file per operation.

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
