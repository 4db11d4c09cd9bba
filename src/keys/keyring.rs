//! Master keys that this process can use, shared by all that wrap secrets.

use std::sync::Arc;

use crate::{ports::master_keys::MasterKeys, record::wrap::MasterKey};

/// Master keys, shared.
#[derive(Clone)]
pub struct Keyring(Arc<dyn MasterKeys>);

impl Keyring {
    /// Over that source.
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

/// One key that never changes.
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
