//! A booking: a resource, a slot, a status and a revision.

mod command;
mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use command::{Command, Snapshot};
pub use decide::{Refusal, decide};
pub use event::{CancelReason, Cause, Customer, Details, Event, RequestMark};
pub use state::{Booking, Status, evolve};
