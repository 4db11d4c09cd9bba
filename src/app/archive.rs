//! Reads exported ledgers and checkpoint files for commands.

use std::path::Path;

pub use crate::adapters::archive::{Archive, begin, lines};
use crate::{
    adapters::system::checkpoint_folder,
    ports::checkpoint_archive::{ArchivedCheckpoint, Failure},
};

/// Reads a checkpoint file.
///
/// # Errors
/// A message with the path and the reason.
pub fn checkpoint(path: &Path) -> Result<ArchivedCheckpoint, String> {
    checkpoint_folder::read_checkpoint(path).map_err(|failure| match failure {
        Failure::Unavailable { place, reason } => format!("cannot read the checkpoint file {place}: {reason}"),
        other => other.to_string(),
    })
}
