//! A remote calendar: its push channels, its delta cursor, and the results of its pulls.

mod event;
mod state;

pub use event::{Event, PullMode, PullTally, Window};
pub use state::{Calendar, Channel, Cursor, REMOVALS_REMEMBERED, evolve};
