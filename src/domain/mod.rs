//! Floor 0: events and rules. No clock, no I/O, no async; everything here is a value or a function of values.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod entry;
pub mod event;
pub mod failure;
pub mod ids;
pub mod personal;
pub mod program_version;
pub mod slot;

pub mod booking;
pub mod calendar;
pub mod connection;
pub mod link;
pub mod operations;
pub mod profile;
pub mod source;
