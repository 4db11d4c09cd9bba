//! The master keys available to this process, shared by everything that encrypts secrets.

use std::sync::Arc;

use crate::{ports::master_keys::MasterKeys, record::wrap::MasterKey};

/// Shared master keys.
#[derive(Clone)]
pub struct Keyring(Arc<dyn MasterKeys>);

impl Keyring {
    /// From that source.
    pub fn new(masters: Arc<dyn MasterKeys>) -> Self {
        Self(masters)
    }

    /// As [`MasterKeys::find`].
    pub fn find(&self, id: &str) -> Option<MasterKey> {
        self.0.find(id)
    }

    /// As [`MasterKeys::newest`].
    pub fn newest(&self) -> Option<MasterKey> {
        self.0.newest()
    }
}

/// A single key that never changes.
impl MasterKeys for MasterKey {
    fn find(&self, id: &str) -> Option<MasterKey> {
        (self.id() == id).then(|| self.clone())
    }

    fn newest(&self) -> Option<MasterKey> {
        Some(self.clone())
    }
}

impl From<MasterKey> for Keyring {
    fn from(key: MasterKey) -> Self {
        Self::new(Arc::new(key))
    }
}
