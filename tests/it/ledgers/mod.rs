//! A ledger of every released program, kept for ever: it opens, heals, verifies, and sends nothing that is not needed.
//!
//! `make.rs` drives a program, any released one, through ordinary days and ordinary trouble, and `kept.rs` keeps what is
//! left of it: databases, keys, checkpoints, and the state of the sandboxes that belongs to them. `open.rs` gives that to the
//! program as it is now; `versions.rs` says which programs may serve it. The folders are in `tests/fixtures/`, each with a README.

mod days;
mod frozen;
mod kept;
mod make;
mod open;
mod outages;
mod story;
mod trouble;
mod versions;
mod writes;
