//! Subjects' keys in memory, not encrypted: for tests and the simulation only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    domain::ids::SubjectId,
    ledger::append::to_micros,
    ports::{
        clock::Clock,
        rotation::{Rotation, WrappingStatus},
        vault::{Failure, KeyState, SubjectKey, Vault},
    },
    record::wrap::new_subject_key,
};

/// Keys that live as long as the process.
pub struct MemoryVault {
    clock: Arc<dyn Clock>,
    keys: Mutex<HashMap<SubjectId, KeyState>>,
    /// Keys are not encrypted here: each only has the name of the master key that would encrypt it.
    masters: Mutex<WrappingState>,
}

#[derive(Default)]
struct WrappingState {
    standing: WrappingStatus,
    under: HashMap<SubjectId, String>,
}

/// Name of the master key if there is none.
const NO_MASTER: &str = "memory";

impl MemoryVault {
    /// A vault with keys from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, keys: Mutex::default(), masters: Mutex::default() }
    }

    fn masters(&self) -> MutexGuard<'_, WrappingState> {
        let mut masters = self.masters.lock().unwrap_or_else(PoisonError::into_inner);
        masters.standing.current.get_or_insert_with(|| NO_MASTER.to_owned());
        masters
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
                let mut masters = self.masters();
                let current = masters.standing.current.clone().unwrap_or_default();
                masters.under.insert(subject.clone(), current);
                Ok(key)
            }
        }
    }

    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure> {
        let mut keys = self.keys();
        if !matches!(keys.get(subject), Some(KeyState::Destroyed(_))) {
            keys.insert(subject.clone(), KeyState::Destroyed(to_micros(at)));
            self.masters().under.remove(subject);
        }
        Ok(())
    }
}

#[async_trait]
impl Rotation for MemoryVault {
    async fn wrapping_status(&self) -> Result<WrappingStatus, Failure> {
        let masters = self.masters();
        let mut standing = masters.standing.clone();
        let counts = standing.tables.entry("subject_keys".to_owned()).or_default();
        for id in masters.under.values() {
            *counts.entry(id.clone()).or_default() += 1;
        }
        Ok(standing)
    }

    async fn begin(&self, from: &str, to: &str, _: DateTime<Utc>) -> Result<(), Failure> {
        let mut masters = self.masters();
        let current = masters.standing.current.clone().unwrap_or_default();
        if current == to {
            return Ok(());
        }
        if current != from {
            return Err(Failure::Unavailable("the master key was changed by another process: retry".into()));
        }
        masters.standing.previous = Some(from.to_owned());
        masters.standing.current = Some(to.to_owned());
        Ok(())
    }

    async fn rewrap(&self, limit: usize) -> Result<usize, Failure> {
        let mut masters = self.masters();
        let current = masters.standing.current.clone().unwrap_or_default();
        let old = masters.under.values_mut().filter(|id| **id != current).take(limit);
        Ok(old.map(|id| id.clone_from(&current)).count())
    }

    async fn finish(&self) -> Result<(), Failure> {
        if self.wrapping_status().await?.left() > 0 {
            return Err(Failure::Unavailable("secrets are still encrypted with another key: retry".into()));
        }
        self.masters().standing.previous = None;
        Ok(())
    }
}
