//! Code that several adapters need. Names no external system.

pub mod pause;
pub mod percent;
pub mod retry_after;
pub mod table_rules;
