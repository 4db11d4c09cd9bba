//! Personal data: forgetting a person, here and on calendars, and changing the master key that personal keys are wrapped under.

pub mod forget;
pub mod forget_outside;
pub mod rotate;
