//! The key file while services run: read again after it changed, and replaced atomically.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::master_key::{KeyFileFailure, load_all, write_new};
use crate::{
    ports::{
        clock::Clock,
        master_keys::{MasterKeyFile, MasterKeyFileError, MasterKeys},
    },
    record::wrap::MasterKey,
};

/// Identifies a version of the file.
type Stamp = (Option<SystemTime>, u64, u64);

/// The file, and its keys when last read.
pub struct KeyFile {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    known: Mutex<(Stamp, Vec<MasterKey>)>,
}

impl KeyFile {
    /// Reads it.
    ///
    /// # Errors
    /// See [`KeyFileFailure`].
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, KeyFileFailure> {
        let known = (stamp(path), load_all(path)?);
        Ok(Self { path: path.to_owned(), clock, known: Mutex::new(known) })
    }

    fn known(&self) -> MutexGuard<'_, (Stamp, Vec<MasterKey>)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        if known.0 != now {
            match load_all(&self.path) {
                Ok(keys) => *known = (now, keys),
                // Keys read before stay usable; the file may be in the middle of being copied to this machine.
                Err(failure) => {
                    tracing::error!(error = %failure, "The master key file cannot be read: the keys that were read before stay in use");
                }
            }
        }
        known
    }

    /// Rewrites the file under a lock: `change` returns the new keys, or `None` to keep them.
    fn change(&self, change: impl FnOnce(Vec<MasterKey>) -> Option<Vec<MasterKey>>) -> Result<(), MasterKeyFileError> {
        let unusable =
            |error: io::Error| MasterKeyFileError(format!("{} cannot be rewritten: {error}", self.path.display()));
        // The target of a symbolic link, which is kept.
        let path = fs::canonicalize(&self.path).map_err(unusable)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let lock = File::open(folder).map_err(unusable)?;
        lock.lock().map_err(unusable)?;
        let keys = load_all(&path).map_err(|failure| MasterKeyFileError(failure.to_string()))?;
        let Some(keys) = change(keys) else { return Ok(()) };
        let lines: Vec<Zeroizing<String>> =
            keys.iter().map(|key| Zeroizing::new(HEXLOWER.encode(key.bytes()))).collect();
        let mut text = Zeroizing::new(String::with_capacity(65 * lines.len()));
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        let mut suffix = [0; 8];
        self.clock.fill(&mut suffix);
        let beside = folder.join(format!(".master-key-{}", HEXLOWER.encode(&suffix)));
        // Held open, so that the old content can be overwritten once it has no name any more.
        let before = OpenOptions::new().write(true).open(&path).map_err(unusable)?;
        let placed = write_new(&beside, text.as_bytes()).and_then(|()| fs::rename(&beside, &path));
        if placed.is_err() {
            fs::remove_file(&beside).ok();
        }
        placed.map_err(unusable)?;
        lock.sync_all().map_err(unusable)?;
        overwrite(before).map_err(unusable)
    }
}

/// Overwrites old keys with zeros, unless the file has another hard link: then it is somebody's copy.
fn overwrite(mut file: File) -> io::Result<()> {
    let facts = file.metadata()?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&facts) > 0 {
        return Ok(());
    }
    let zeros = vec![0; usize::try_from(facts.len()).unwrap_or(0)];
    file.write_all(&zeros)?;
    file.sync_all()
}

fn stamp(path: &Path) -> Stamp {
    let Ok(facts) = fs::metadata(path) else { return (None, 0, 0) };
    #[cfg(unix)]
    let id = std::os::unix::fs::MetadataExt::ino(&facts);
    #[cfg(not(unix))]
    let id = 0;
    (facts.modified().ok(), facts.len(), id)
}

impl MasterKeys for KeyFile {
    fn find(&self, id: &str) -> Option<MasterKey> {
        self.known().1.iter().find(|key| key.id() == id).cloned()
    }

    fn newest(&self) -> Option<MasterKey> {
        self.known().1.first().cloned()
    }
}

impl MasterKeyFile for KeyFile {
    fn ids(&self) -> Result<Vec<String>, MasterKeyFileError> {
        let keys = load_all(&self.path).map_err(|failure| MasterKeyFileError(failure.to_string()))?;
        Ok(keys.iter().map(|key| key.id().to_owned()).collect())
    }

    fn add(&self) -> Result<String, MasterKeyFileError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.clock.fill(bytes.as_mut());
        let fresh = MasterKey::new(*bytes);
        let mut newest = fresh.id().to_owned();
        self.change(|mut keys| {
            if let [first, _, ..] = keys.as_slice() {
                newest = first.id().to_owned();
                return None;
            }
            keys.insert(0, fresh);
            Some(keys)
        })?;
        Ok(newest)
    }

    fn remove(&self, id: &str) -> Result<(), MasterKeyFileError> {
        self.change(|mut keys| {
            let before = keys.len();
            keys.retain(|key| key.id() != id || before == 1);
            (keys.len() < before).then_some(keys)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{
        super::{SystemClock, master_key::load_or_create},
        *,
    };

    fn made() -> (tempfile::TempDir, KeyFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let clock = SystemClock::new();
        load_or_create(&path, &clock).unwrap();
        let file = KeyFile::open(&path, Arc::new(clock)).unwrap();
        (folder, file)
    }

    #[test]
    fn a_key_joins_and_another_goes() {
        let (folder, file) = made();
        let old = file.newest().unwrap();
        let other = KeyFile::open(&file.path, Arc::new(SystemClock::new())).unwrap();
        let new = file.add().unwrap();
        assert_eq!(file.add().unwrap(), new, "there are two already");
        assert_eq!(file.ids().unwrap(), [new.as_str(), old.id()]);
        assert_eq!(other.find(&new).unwrap().id(), new, "who knew one key before finds the fresh one");
        let kept = folder.path().join("kept");
        fs::hard_link(&file.path, &kept).unwrap();
        file.remove(old.id()).unwrap();
        file.remove(old.id()).unwrap();
        file.remove(&new).unwrap();
        assert_eq!(file.ids().unwrap(), [new.as_str()], "the last one stays");
        assert!(other.find(old.id()).is_none() && other.find(&new).is_some());
        assert_eq!(load_all(&kept).unwrap().len(), 2, "somebody's copy is left alone");
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left beside it");
    }

    #[test]
    fn a_file_that_became_unreadable_leaves_what_was_known() {
        let (_folder, file) = made();
        let old = file.newest().unwrap();
        fs::write(&file.path, "half a ke").unwrap();
        assert!(file.find(old.id()).is_some());
        assert!(file.add().unwrap_err().to_string().contains("malformed"));
    }
}
