//! Personal data: erasing a person, here and on calendars, and rotating the master key.

pub mod forget;
pub mod forget_outside;
pub mod rotate;
