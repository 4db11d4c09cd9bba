//! Keeping bookings and calendars in step: what comes in, what is decided about it, what is sent, and the loops that do it.

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
