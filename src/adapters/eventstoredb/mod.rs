//! The ledger on EventStoreDB or KurrentDB, through crate `eventstore`. Set-up: `docs/operating/eventstoredb.md`.
//!
//! Our stream `booking-1` is the server's stream `booking-1`; an event's envelope stands in its custom metadata
//! (`src/record/metadata.rs`). The server's log has places of its own, with gaps and with other people's streams between
//! ours, so the adapter keeps an index (`index.rs`): our position is how many of our events stand before an event in the
//! server's order. One subscription (`follow.rs`) keeps it, and an append is answered when its events came back by it.

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
