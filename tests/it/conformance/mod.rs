//! One suite per port, run against every backend: what a port promises is what its suite holds.

pub mod event_store;
pub mod eventstoredb;
mod faults;
pub mod given;
mod http;
mod laws;
mod memory;
mod postgres;
mod postgres_crashes;
mod processes;
mod required_version;
pub mod rotation;
mod sqlite;
pub mod tokens;
pub mod vault;
