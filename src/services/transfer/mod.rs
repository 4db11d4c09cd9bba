//! Whole ledgers in and out of files.

mod export;
mod import;

pub use export::{Exported, Range, export};
pub use import::{Imported, import};
