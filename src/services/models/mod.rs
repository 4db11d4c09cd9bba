//! The read models: kept in step with the ledger, rebuilt, compared, shown as they were, and read with their texts opened.

pub mod diff;
pub mod past;
pub mod project;
pub mod reader;
pub mod rebuild;
mod texts;
