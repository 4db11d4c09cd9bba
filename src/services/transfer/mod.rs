//! Exports and imports whole ledgers.

mod export;
mod import;

pub use export::{ExportSummary, Range, export};
pub use import::{ImportSummary, import};
