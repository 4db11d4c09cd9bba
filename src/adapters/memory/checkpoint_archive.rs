//! Checkpoints outside the ledger, in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::ports::checkpoint_archive::{ArchivedCheckpoint, CheckpointArchive, Failure};

/// Checkpoints that live as long as the process.
#[derive(Debug, Default)]
pub struct MemoryCheckpointArchive(Mutex<BTreeMap<u64, String>>);

impl CheckpointArchive for MemoryCheckpointArchive {
    fn keep(&self, size: u64, note: &str) -> Result<(), Failure> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let existing = notes.entry(size).or_insert_with(|| note.to_owned());
        if existing == note { Ok(()) } else { Err(Failure::Contradicted(format!("memory, at {size}"))) }
    }

    fn all(&self) -> Result<Vec<ArchivedCheckpoint>, Failure> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(notes
            .iter()
            .map(|(size, note)| ArchivedCheckpoint { place: format!("memory, at {size}"), note: note.clone() })
            .collect())
    }
}
