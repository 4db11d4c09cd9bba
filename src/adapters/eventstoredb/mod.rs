//! The ledger on EventStoreDB or KurrentDB, with the crate `eventstore`. Set-up: `docs/operating/eventstoredb.md`.
//!
//! Our stream `booking-1` is the server's stream `booking-1`; an event's envelope is in its custom metadata
//! (`src/record/metadata.rs`). Positions in the server's log have gaps and include foreign streams, so the adapter keeps
//! an index (`index.rs`): our position is the number of our events before an event in the
//! server's order. One subscription (`follow.rs`) maintains it, and an append completes when its events arrive there.

mod address;
mod append;
mod claims;
mod event_store;
mod failure;
mod follow;
mod ids;
mod index;
mod log_position;
mod mapping;
mod marks;
mod open;
mod pending;
mod read;
mod recent;
mod session;
mod shared;
mod shared_client;
mod spin_guard;

pub use address::Options;
pub use event_store::EventStoreDbLedger;
pub use failure::OpenFailure;
