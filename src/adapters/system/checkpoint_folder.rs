//! Checkpoints as files in a folder: one per size, written atomically and durably, and never overwritten.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    ports::checkpoint_archive::{ArchivedCheckpoint, CheckpointArchive, Failure},
    record::{
        checkpoint::Checkpoint,
        note::{NOTE_BYTES_MAX, Note},
    },
};

/// Extension of the files.
const EXTENSION: &str = "checkpoint";

/// A folder of checkpoints, created with the first one.
#[derive(Debug, Clone)]
pub struct CheckpointFolder(PathBuf);

impl CheckpointFolder {
    /// The folder at that path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn put(&self, path: &Path, note: &str) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let beside = path.with_extension(format!("{}.partial", std::process::id()));
        let mut file = File::create(&beside)?;
        let written = file.write_all(note.as_bytes()).and_then(|()| file.sync_all());
        // A hard link does not replace an existing file, as a rename would: of concurrent writers the first one wins.
        let placed = written.and_then(|()| match fs::hard_link(&beside, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        fs::remove_file(&beside)?;
        placed?;
        File::open(&self.0)?.sync_all()
    }
}

impl CheckpointArchive for CheckpointFolder {
    fn keep(&self, size: u64, note: &str) -> Result<(), Failure> {
        let path = self.0.join(format!("{size:012}.{EXTENSION}"));
        let failed = |e: io::Error| Failure::Unavailable { place: path.display().to_string(), reason: e.to_string() };
        if !path.exists() {
            self.put(&path, note).map_err(failed)?;
        }
        let existing = read(&path).map_err(failed)?;
        // A note signed with a newer key differs in its signature; only the signed text is compared.
        if parse_note(&existing).is_some() && parse_note(&existing) == parse_note(note) {
            return Ok(());
        }
        Err(Failure::Contradicted(path.display().to_string()))
    }

    fn all(&self) -> Result<Vec<ArchivedCheckpoint>, Failure> {
        let failed = |e: io::Error| Failure::Unavailable { place: self.0.display().to_string(), reason: e.to_string() };
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let paths: Result<Vec<PathBuf>, io::Error> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.map_err(failed)?;
        paths.retain(|path| path.extension().is_some_and(|e| e == EXTENSION));
        paths.sort();
        paths.into_iter().map(|path| read_checkpoint(&path)).collect()
    }
}

/// Reads a checkpoint file.
///
/// # Errors
/// `Unavailable`.
pub fn read_checkpoint(path: &Path) -> Result<ArchivedCheckpoint, Failure> {
    let place = path.display().to_string();
    match read(path) {
        Ok(note) => Ok(ArchivedCheckpoint { place, note }),
        Err(error) => Err(Failure::Unavailable { place, reason: error.to_string() }),
    }
}

fn read(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    File::open(path)?.take(NOTE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn parse_note(note: &str) -> Option<Checkpoint> {
    Checkpoint::parse(Note::parse(note).ok()?.text()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::note::SigningKey;

    #[test]
    fn what_is_kept_stays_and_a_contradiction_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let kept = CheckpointFolder::new(folder.path().join("checkpoints"));
        assert_eq!(kept.all().unwrap(), []);
        let [first, second] = [1, 2].map(|n| SigningKey::new("syncledger/loft", [n; 32]).unwrap());
        let note = |root, key| Checkpoint::new("syncledger/loft", 7, [root; 32]).sign(key).unwrap();
        kept.keep(7, &note(1, &first)).unwrap();
        kept.keep(7, &note(1, &first)).unwrap();
        // The same, signed by a later key: the first note stays.
        kept.keep(7, &note(1, &second)).unwrap();
        assert!(matches!(kept.keep(7, &note(2, &first)), Err(Failure::Contradicted(_))));
        kept.keep(9, &Checkpoint::new("syncledger/loft", 9, [3; 32]).sign(&first).unwrap()).unwrap();
        let notes: Vec<_> = kept.all().unwrap().into_iter().map(|kept| kept.note).collect();
        assert_eq!(notes.len(), 2);
        assert_eq!(notes[0], note(1, &first));
        assert_eq!(fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), 2);
    }
}
