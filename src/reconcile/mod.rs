//! Floor 1: decides what to do about one link. Pure: it can be replayed, explained, dry-run and snapshotted.
//!
//! [`decide()`] takes what is known and returns events to record and one step. The shell that carries it out is
//! `services/sync/reconciler/mod.rs`.
//!
//! Who defines what: `Decider` is one struct, and each file implements a part of it. `decide.rs` has the order of the
//! questions (`run`, `step`) and what every answer uses (`link`, `push`, `hold`, `look`, `issue`); `observed.rs` judges what was
//! seen (`observed`, `live`) and settles conflicts (`accept`, `reject`, `conflict`, `resolved`); `removed.rs` judges removals
//! (`gone`); `waiting.rs` ends what waited for a person or a timer; `inbound.rs` carries an accepted change to the booking;
//! `outbound.rs` brings the entry into step. `desired.rs` and `retry.rs` are functions of their own.
#![deny(clippy::wildcard_enum_match_arm)]

mod decide;
mod desired;
mod inbound;
mod observed;
mod outbound;
mod removed;
pub mod retry;
mod waiting;

pub use decide::{Decision, Inputs, Step, candidate_slot, decide};
pub use desired::{DesiredEntry, desired};
