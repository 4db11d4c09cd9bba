//! Floor 1: what is to be done about one link. Pure: it can be replayed, explained, dry-run and snapshotted.
//!
//! [`decide()`] takes what is known and gives facts to record and one step to take. The shell that records and takes it is
//! `services/sync/reconcile/mod.rs`.
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
pub use desired::{Desired, desired};
