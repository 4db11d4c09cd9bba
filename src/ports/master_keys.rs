//! The master keys available to this process, and the file that stores them.
//!
//! There is one key, or two during a rotation, newest first. Which of them secrets are encrypted with is stored in
//! the database (`ports/rotation.rs`), not in the file.

use crate::record::wrap::MasterKey;

/// Finds master keys.
pub trait MasterKeys: Send + Sync {
    /// The key with this public name. Reads the file again if it is unknown, since it may have been added meanwhile.
    fn find(&self, id: &str) -> Option<MasterKey>;

    /// The newest key.
    fn newest(&self) -> Option<MasterKey>;
}

/// Why the key file could not be read or changed. Contains no key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MasterKeyFileError(pub String);

/// The key file, for rotation. Every change is atomic and durable.
pub trait MasterKeyFile: Send + Sync {
    /// Public names of its keys, newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    fn ids(&self) -> Result<Vec<String>, MasterKeyFileError>;

    /// Adds a new key at the front and returns its name; if there are already two, returns the newest.
    ///
    /// # Errors
    /// The file cannot be written.
    fn add(&self) -> Result<String, MasterKeyFileError>;

    /// Destroys a key. The last one is kept.
    ///
    /// # Errors
    /// The file cannot be written.
    fn remove(&self, id: &str) -> Result<(), MasterKeyFileError>;
}
