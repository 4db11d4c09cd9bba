//! Logic shared by all ledgers, whatever the database: validating and judging appends, grouping them into one commit,
//! restoring events, and which version of the program may use a ledger. Called by adapters; the port is
//! `ports/event_store.rs`.

pub mod append;
pub mod grouping;
pub mod required_version;
pub mod restore;
pub mod writer_state;
