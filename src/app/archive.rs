//! Exported ledgers and kept checkpoints as files, for commands.

use std::path::Path;

pub use crate::adapters::archive::{Archive, begin, lines};
use crate::{adapters::system::checkpoint_folder, ports::checkpoint_archive::ArchivedCheckpoint};

/// A checkpoint in a file.
///
/// # Errors
/// In words.
pub fn checkpoint(path: &Path) -> Result<ArchivedCheckpoint, String> {
    checkpoint_folder::read_checkpoint(path).map_err(|e| e.to_string())
}
