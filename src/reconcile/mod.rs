//! Floor 1: decides what to do about one link. Pure: it can be replayed, explained, dry-run and snapshotted.
//!
//! [`decide()`] takes what is known and returns events to record and one step. The shell that carries it out is
//! `services/sync/reconciler/mod.rs`.
//!
//! Who defines what: `Decider` is one struct, and each file implements a part of it. `decide.rs` has the order of the
//! questions (`run`, `step`) and what every answer uses (`link`, `push`, `hold`, `look`, `issue`); `observed.rs` judges what was
//! seen (`observed`, `live`) and settles conflicts (`accept`, `reject`, `conflict`, `resolved`); `removed.rs` judges removals
//! (`gone`); `waiting.rs` ends what waited for a person or a timer; `inbound.rs` carries an accepted change to the booking;
//! `outbound.rs` brings the entry into step. Functions of their own: `desired.rs` (what the entry should be), `retry.rs` (what follows a
//! failed call), `outcome.rs` (the events that record an answer, a failure or a verification) and `mass_removal.rs` (when an
//! operator is asked).
#![deny(clippy::wildcard_enum_match_arm)]

mod decide;
mod desired;
mod inbound;
pub mod mass_removal;
mod observed;
mod outbound;
pub mod outcome;
mod removed;
pub mod retry;
mod waiting;

pub use decide::{Decision, Inputs, Step, candidate_slot, decide};
pub use desired::{DesiredEntry, desired};
