//! The ledger in one SQLite file, through sqlx; its events are written through rusqlite (`inserter.rs`). Tables: `migrations/sqlite/0001_ledger.sql`.
//!
//! One thread writes (`writer.rs`): it collects queued appends, assigns positions, and commits the whole
//! group. Readers have separate connections and never wait for it. Several processes may use
//! one file.

mod checkpoints;
mod connection;
mod event_store;
mod failure;
mod inserter;
mod inspect;
mod job;
mod migrations;
mod open;
mod projection_checkpoints;
mod projection_compare;
mod projection_rows;
mod projection_sql;
mod projections;
mod recovery;
mod restore;
mod rows;
mod scan;
mod signing_keys;
mod sql;
mod thread;
mod tokens;
mod transact;
mod vault;
mod writer;

pub use checkpoints::SqliteCheckpoints;
pub use event_store::SqliteLedger;
pub use failure::OpenFailure;
pub use open::{Options, path_of_url};
pub use projections::SqliteProjections;
pub use signing_keys::SqliteSigningKeys;
pub use tokens::SqliteTokens;
pub use vault::SqliteVault;
