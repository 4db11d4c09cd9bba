//! Master keys that this process can use, and the file that they stand in.
//!
//! There is one, but while it is being rotated there are two, newest first. Which of them secrets are wrapped under is said by
//! the database (`ports/rotation.rs`), not by the file.

use crate::record::wrap::MasterKey;

/// Where master keys are looked up.
pub trait MasterKeys: Send + Sync {
    /// The key of that public name. Where it is not known it is looked for anew, since it may have come meanwhile.
    fn find(&self, id: &str) -> Option<MasterKey>;

    /// The newest.
    fn newest(&self) -> Option<MasterKey>;
}

/// Why the file of master keys was not read or changed, in words for an operator. No key is in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MasterKeyFileError(pub String);

/// The file of master keys, for the one who rotates them. Every change is durable and whole, or did not happen.
pub trait MasterKeyFile: Send + Sync {
    /// The public names of the keys in it, newest first.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn ids(&self) -> Result<Vec<String>, MasterKeyFileError>;

    /// Puts a fresh key in front, and answers its name; where there are two already, nothing is made and the newest is it.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn add(&self) -> Result<String, MasterKeyFileError>;

    /// Destroys one key. The last one stays.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn remove(&self, id: &str) -> Result<(), MasterKeyFileError>;
}
