//! Whole ledgers in and out of files.

mod export;
mod import;

pub use export::{ExportSummary, Range, export};
pub use import::{ImportSummary, import};
