//! The key file: 64 hex digits readable only by its owner; two such lines during a rotation, the newest
//! first (`key_file.rs`).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use crate::{ports::clock::Clock, record::wrap::MasterKey};

/// Maximum number of keys: the current one, and another during a rotation.
const KEYS_MAX: usize = 2;

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFailure {
    /// The file does not exist.
    #[error("the master key file {0} does not exist: restore it from your backup (only a new ledger creates one)")]
    Missing(PathBuf),
    /// Others may read it.
    #[error("other users can read the master key file {path} (mode {mode:03o}): run chmod 600 {path}", path = .path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It contains something else.
    #[error(
        "the master key file {0} is malformed: it must contain 64 hex digits and nothing else (two such lines during a rotation)"
    )]
    Malformed(PathBuf),
    /// An error of the file system.
    #[error("the master key file {path} cannot be used", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// Reads the newest key.
///
/// # Errors
/// As [`load_all`].
pub fn load(path: &Path) -> Result<MasterKey, KeyFileFailure> {
    let mut keys = load_all(path)?;
    Ok(keys.swap_remove(0))
}

/// Reads the keys, newest first; there is at least one.
///
/// # Errors
/// See [`KeyFileFailure`]; messages never contain a key.
pub fn load_all(path: &Path) -> Result<Vec<MasterKey>, KeyFileFailure> {
    let io = |source| KeyFileFailure::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeyFileFailure::Missing(path.to_owned())),
        opened => opened.map_err(io)?,
    };
    let mode = mode_of(&file).map_err(io)?;
    if mode & 0o077 != 0 {
        return Err(KeyFileFailure::OpenToOthers { path: path.to_owned(), mode });
    }
    // One byte more than two keys with line breaks, to detect a longer file.
    let most = KEYS_MAX * 66 + 1;
    let mut text = Zeroizing::new(Vec::with_capacity(most));
    Read::by_ref(&mut file).take(most as u64).read_to_end(&mut text).map_err(io)?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let keys: Option<Vec<MasterKey>> = text.split(|byte| *byte == b'\n').map(parse).collect();
    keys.filter(|keys| keys.len() <= KEYS_MAX).ok_or_else(|| KeyFileFailure::Malformed(path.to_owned()))
}

/// Reads the key, or creates one (from `clock`'s randomness) if there is no file.
///
/// # Errors
/// See [`KeyFileFailure`].
pub fn load_or_create(path: &Path, clock: &dyn Clock) -> Result<MasterKey, KeyFileFailure> {
    match load(path) {
        Err(KeyFileFailure::Missing(_)) => {}
        loaded => return loaded,
    }
    let io = |source| KeyFileFailure::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io)?;
    let mut bytes = Zeroizing::new([0; 32]);
    clock.fill(bytes.as_mut());
    let text = Zeroizing::new(format!("{}\n", HEXLOWER.encode(bytes.as_ref())));
    // Written to a temporary file and linked: a crash leaves no partial key, and of two programs starting at once one wins.
    let mut suffix = [0; 8];
    clock.fill(&mut suffix);
    let beside = folder.join(format!(".master-key-{}", HEXLOWER.encode(&suffix)));
    let placed = write_new(&beside, text.as_bytes()).and_then(|()| fs::hard_link(&beside, path));
    fs::remove_file(&beside).ok();
    match placed {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
        Ok(()) | Err(_) => {}
    }
    // The name must survive a power failure before anything is encrypted with the key.
    File::open(folder).and_then(|f| f.sync_all()).map_err(io)?;
    load(path)
}

pub(super) fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(unix)]
fn mode_of(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o777)
}

/// On other systems permissions are not mode bits; the folder's access list must protect it.
#[cfg(not(unix))]
fn mode_of(_: &File) -> io::Result<u32> {
    Ok(0o600)
}

fn parse(line: &[u8]) -> Option<MasterKey> {
    let digits = line.strip_suffix(b"\r").unwrap_or(line);
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    HEXLOWER_PERMISSIVE.decode_mut(digits, bytes.as_mut()).ok()?;
    Some(MasterKey::new(*bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::adapters::system::SystemClock;

    #[test]
    fn a_key_is_made_once_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/master.key");
        assert!(matches!(load(&path), Err(KeyFileFailure::Missing(_))));
        let made = load_or_create(&path, &SystemClock::new()).unwrap();
        let again = load_or_create(&path, &SystemClock::new()).unwrap();
        assert_eq!(made.bytes(), again.bytes());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_key_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        load_or_create(&path, &SystemClock::new()).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = load_or_create(&path, &SystemClock::new()).unwrap_err();
            assert!(refused.to_string().contains(&format!("{mode:03o}")), "{refused}");
        }
    }

    #[test]
    fn a_malformed_key_is_refused_without_being_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let digits = "ab".repeat(32);
        for text in
            ["", "abc", &digits[1..], &format!("{digits}0"), &digits.replace('a', "g"), &format!("{digits}\n\n")]
        {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let refused = load(&path).unwrap_err();
            assert!(matches!(refused, KeyFileFailure::Malformed(_)), "{text:?}");
            assert!(!refused.to_string().contains("abab"));
        }
        for text in [digits.clone(), format!("{digits}\n"), format!("{}\r\n", digits.to_uppercase())] {
            fs::write(&path, text).unwrap();
            assert_eq!(load(&path).unwrap().bytes(), &[0xab; 32]);
        }
    }
}
