//! Subjects' keys in memory, unwrapped: for tests and the simulation only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    domain::ids::SubjectId,
    ports::{
        append::to_micros,
        clock::Clock,
        vault::{Failure, KeyState, SubjectKey, Vault},
    },
    record::wrap::new_subject_key,
};

/// Keys that live as long as the process.
pub struct MemoryVault {
    clock: Arc<dyn Clock>,
    keys: Mutex<HashMap<SubjectId, KeyState>>,
}

impl MemoryVault {
    /// A vault that takes its keys from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, keys: Mutex::default() }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<SubjectId, KeyState>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn key(&self, subject: &SubjectId) -> Result<KeyState, Failure> {
        Ok(self.keys().get(subject).cloned().unwrap_or(KeyState::Unknown))
    }

    async fn key_or_new(&self, subject: &SubjectId) -> Result<SubjectKey, Failure> {
        let mut keys = self.keys();
        match keys.get(subject) {
            Some(KeyState::Held(key)) => Ok(key.clone()),
            Some(KeyState::Destroyed(_)) => Err(Failure::Forgotten(subject.clone())),
            Some(KeyState::Unknown) | None => {
                let (id, bytes) = new_subject_key(|bytes| self.clock.fill(bytes));
                let key = SubjectKey { id, bytes };
                keys.insert(subject.clone(), KeyState::Held(key.clone()));
                Ok(key)
            }
        }
    }

    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure> {
        let mut keys = self.keys();
        if !matches!(keys.get(subject), Some(KeyState::Destroyed(_))) {
            keys.insert(subject.clone(), KeyState::Destroyed(to_micros(at)));
        }
        Ok(())
    }
}
