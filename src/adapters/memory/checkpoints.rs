//! Checkpoints in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::{
    domain::ids::Position,
    ports::checkpoints::{Checkpoints, Unavailable},
};

/// Checkpoints that live as long as the process.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints(Mutex<BTreeMap<String, Position>>);

#[async_trait]
impl Checkpoints for MemoryCheckpoints {
    async fn load(&self, worker: &str) -> Result<Position, Unavailable> {
        let saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(saved.get(worker).copied().unwrap_or_default())
    }

    async fn save(&self, worker: &str, next: Position) -> Result<(), Unavailable> {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = saved.entry(worker.to_owned()).or_default();
        *known = (*known).max(next);
        Ok(())
    }
}
