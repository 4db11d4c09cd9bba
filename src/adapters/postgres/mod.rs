//! The ledger and the read models in a PostgreSQL database, through sqlx. Tables: `migrations/postgres/0001_ledger.sql`,
//! `projections/*.sql`.
//!
//! One task per process writes (`task.rs`), on its own connection: it collects queued appends, assigns positions,
//! and commits the whole group with one statement. Writers of several processes take turns with a lock in
//! the database. Readers use a pool and never wait for them.

mod address;
mod checkpoints;
mod end;
mod event_store;
mod examine;
mod failure;
mod inspect;
mod job;
mod listen;
mod migrations;
mod open;
mod projection_checkpoints;
mod projection_compare;
mod projection_rows;
mod projection_sql;
mod projections;
mod recovery;
mod rows;
mod session;
mod signing_keys;
mod sql;
mod task;
mod tokens;
mod transact;
mod vault;
mod writer;

pub use address::Server;
pub use checkpoints::PostgresCheckpoints;
pub use event_store::PostgresLedger;
pub use failure::OpenFailure;
pub use open::{ExaminedServer, Options};
pub use projections::PostgresProjections;
pub use signing_keys::PostgresSigningKeys;
pub use tokens::PostgresTokens;
pub use vault::PostgresVault;
