//! USchedule.
