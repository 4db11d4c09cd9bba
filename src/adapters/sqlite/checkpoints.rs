//! Checkpoints in the ledger's file. Table: `checkpoints`.

use async_trait::async_trait;
use sqlx::Row as _;

use super::{event_store::SqliteLedger, failure::describe};
use crate::{
    domain::ids::Position,
    ports::checkpoints::{Checkpoints, Unavailable},
};

const LOAD: &str = "SELECT position FROM checkpoints WHERE worker = ?";
const SAVE: &str = "INSERT INTO checkpoints (worker, position) VALUES (?, ?) \
    ON CONFLICT (worker) DO UPDATE SET position = max(position, excluded.position)";

/// The checkpoints of an SQLite ledger.
#[derive(Clone)]
pub struct SqliteCheckpoints(SqliteLedger);

impl SqliteCheckpoints {
    /// Checkpoints in the file of `ledger`.
    pub fn new(ledger: &SqliteLedger) -> Self {
        Self(ledger.clone())
    }
}

#[async_trait]
impl Checkpoints for SqliteCheckpoints {
    async fn load(&self, worker: &str) -> Result<Position, Unavailable> {
        let row = sqlx::query(LOAD).bind(worker.to_owned()).fetch_optional(&self.0.readers).await;
        let Some(row) = row.map_err(|e| Unavailable(describe(&e)))? else { return Ok(Position(0)) };
        let position: i64 = row.try_get("position").map_err(|e| Unavailable(describe(&e)))?;
        Ok(Position(u64::try_from(position).unwrap_or(0)))
    }

    async fn save(&self, worker: &str, next: Position) -> Result<(), Unavailable> {
        let worker = worker.to_owned();
        let position = i64::try_from(next.0).unwrap_or(i64::MAX);
        let write = self.0.writer.run(move |connection| {
            Box::pin(async move { sqlx::query(SAVE).bind(worker).bind(position).execute(connection).await.map(drop) })
        });
        write.await.map_err(Unavailable)
    }
}
