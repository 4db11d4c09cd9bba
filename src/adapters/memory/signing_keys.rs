//! Signing keys in memory: for tests and the simulation only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::{
    ports::{
        clock::Clock,
        signing_keys::{Failure, KnownKey, SigningKeys},
    },
    record::{
        checkpoint::origin,
        note::{SigningKey, VerifierKey},
    },
};

/// Keys that live as long as the process.
pub struct MemorySigningKeys {
    clock: Arc<dyn Clock>,
    name: String,
    keys: Mutex<(Option<SigningKey>, Vec<KnownKey>)>,
}

impl MemorySigningKeys {
    /// Keys of a workspace, made from `clock`'s random bytes.
    pub fn new(workspace: &str, clock: Arc<dyn Clock>) -> Self {
        Self { clock, name: origin(workspace), keys: Mutex::default() }
    }

    fn keys(&self) -> MutexGuard<'_, (Option<SigningKey>, Vec<KnownKey>)> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, keys: &mut (Option<SigningKey>, Vec<KnownKey>)) -> Result<SigningKey, Failure> {
        let mut seed = [0; 32];
        self.clock.fill(&mut seed);
        let key = SigningKey::new(&self.name, seed).map_err(|e| Failure::Unavailable(e.to_string()))?;
        let now = self.clock.now();
        keys.1.iter_mut().filter(|known| known.retired_at.is_none()).for_each(|known| known.retired_at = Some(now));
        keys.1.push(KnownKey { verifier: key.verifier().clone(), created_at: now, retired_at: None });
        keys.0 = Some(key.clone());
        Ok(key)
    }
}

#[async_trait]
impl SigningKeys for MemorySigningKeys {
    async fn signer(&self) -> Result<SigningKey, Failure> {
        let mut keys = self.keys();
        match &keys.0 {
            Some(key) => Ok(key.clone()),
            None => self.add(&mut keys),
        }
    }

    async fn known(&self) -> Result<Vec<KnownKey>, Failure> {
        Ok(self.keys().1.clone())
    }

    async fn rotate(&self) -> Result<SigningKey, Failure> {
        self.add(&mut self.keys())
    }

    async fn learn(&self, learnt: &[VerifierKey]) -> Result<(), Failure> {
        let mut keys = self.keys();
        let now = self.clock.now();
        for verifier in learnt {
            if !keys.1.iter().any(|known| known.verifier == *verifier) {
                keys.1.push(KnownKey { verifier: verifier.clone(), created_at: now, retired_at: Some(now) });
            }
        }
        Ok(())
    }
}
