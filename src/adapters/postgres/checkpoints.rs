//! Checkpoints in the ledger's database. Table: `checkpoints`.

use async_trait::async_trait;

use super::{event_store::PostgresLedger, failure::describe};
use crate::{
    domain::ids::Position,
    ports::checkpoints::{Checkpoints, Unavailable},
};

const LOAD: &str = "SELECT position FROM checkpoints WHERE worker = $1";
const SAVE: &str = "INSERT INTO checkpoints (worker, position) VALUES ($1, $2) \
    ON CONFLICT (worker) DO UPDATE SET position = excluded.position WHERE checkpoints.position < excluded.position";

/// The checkpoints of a PostgreSQL ledger.
#[derive(Clone)]
pub struct PostgresCheckpoints(PostgresLedger);

impl PostgresCheckpoints {
    /// Checkpoints in the database of `ledger`.
    pub fn new(ledger: &PostgresLedger) -> Self {
        Self(ledger.clone())
    }
}

#[async_trait]
impl Checkpoints for PostgresCheckpoints {
    async fn load(&self, worker: &str) -> Result<Position, Unavailable> {
        let position: Result<Option<i64>, _> = sqlx::query_scalar(LOAD).bind(worker).fetch_optional(&self.0.pool).await;
        let position = position.map_err(|e| Unavailable(describe(&e)))?.unwrap_or(0);
        Ok(Position(u64::try_from(position).unwrap_or(0)))
    }

    async fn save(&self, worker: &str, next: Position) -> Result<(), Unavailable> {
        let position = i64::try_from(next.0).unwrap_or(i64::MAX);
        let saved = sqlx::query(SAVE).bind(worker).bind(position).execute(&self.0.pool).await;
        saved.map(drop).map_err(|e| Unavailable(describe(&e)))
    }
}
