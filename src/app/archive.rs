//! Exported ledgers and kept checkpoints as files, for commands.

use std::path::Path;

pub use crate::adapters::archive::{Archive, begin, lines};
use crate::{adapters::system::checkpoint_folder, ports::kept_checkpoints::Kept};

/// A checkpoint in a file.
///
/// # Errors
/// In words.
pub fn checkpoint(path: &Path) -> Result<Kept, String> {
    checkpoint_folder::kept(path).map_err(|e| e.to_string())
}
