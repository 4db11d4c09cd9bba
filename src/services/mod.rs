//! Floor 3: the imperative shell. Each file is one verb: load, ask the core, store.

pub mod diff;
pub mod project;
pub mod reader;
pub mod rebuild;
