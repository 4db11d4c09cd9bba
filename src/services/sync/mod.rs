//! Keeps bookings and calendars in sync: incoming changes, decisions, outgoing changes, and the loops that run them.

pub mod approve;
pub mod authorise;
pub mod calendars;
pub mod intake;
mod log;
pub mod notifications;
pub mod poll;
pub mod pull;
pub mod react;
pub mod read_model_worklist;
pub mod reconciler;
pub mod routing;
pub mod run;
pub mod throttle;
pub mod watch;
pub mod worklist;
