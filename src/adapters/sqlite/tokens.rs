//! API tokens in the ledger's file. Table: `api_tokens`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{event_store::SqliteLedger, failure::describe};
use crate::ports::tokens::{Role, Token, Tokens, Unavailable};

const ADD: &str = "INSERT INTO api_tokens (id, role, hash, created_at, revoked_at) VALUES (?, ?, ?, ?, ?)";
const BY_HASH: &str = "SELECT id, role, hash, created_at, revoked_at FROM api_tokens WHERE hash = ?";
const ALL: &str = "SELECT id, role, hash, created_at, revoked_at FROM api_tokens ORDER BY created_at, id";
const REVOKE: &str = "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?";

/// The tokens of an SQLite ledger.
#[derive(Clone)]
pub struct SqliteTokens(SqliteLedger);

impl SqliteTokens {
    /// Tokens in the file of `ledger`.
    pub fn new(ledger: &SqliteLedger) -> Self {
        Self(ledger.clone())
    }
}

#[async_trait]
impl Tokens for SqliteTokens {
    async fn add(&self, token: Token) -> Result<(), Unavailable> {
        let role = token.role.name();
        let write = self.0.writer.run(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(ADD).bind(token.id).bind(role).bind(token.hash.to_vec());
                let query = query.bind(token.created_at.timestamp_micros());
                query.bind(token.revoked_at.map(|at| at.timestamp_micros())).execute(connection).await.map(drop)
            })
        });
        write.await.map_err(Unavailable)
    }

    async fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, Unavailable> {
        let row = sqlx::query(BY_HASH).bind(hash.to_vec()).fetch_optional(&self.0.readers).await;
        row.map_err(|e| Unavailable(describe(&e)))?.map(|row| decode(&row)).transpose()
    }

    async fn all(&self) -> Result<Vec<Token>, Unavailable> {
        let rows = sqlx::query(ALL).fetch_all(&self.0.readers).await.map_err(|e| Unavailable(describe(&e)))?;
        rows.iter().map(decode).collect()
    }

    async fn revoke(&self, id: &str, at: DateTime<Utc>) -> Result<bool, Unavailable> {
        let id = id.to_owned();
        let write = self.0.writer.run(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(REVOKE).bind(at.timestamp_micros()).bind(id);
                query.execute(connection).await.map(|done| done.rows_affected() > 0)
            })
        });
        write.await.map_err(Unavailable)
    }
}

fn decode(row: &SqliteRow) -> Result<Token, Unavailable> {
    let bad = |error: sqlx::Error| Unavailable(format!("a token's row cannot be read: {}", describe(&error)));
    let id: String = row.try_get(0).map_err(bad)?;
    let unreadable = |what| Unavailable(format!("the {what} of token {id} cannot be read"));
    let role = Role::named(row.try_get(1).map_err(bad)?).ok_or_else(|| unreadable("role"))?;
    let hash = row.try_get::<&[u8], _>(2).map_err(bad)?.try_into().map_err(|_| unreadable("hash"))?;
    let time = |index| -> Result<Option<DateTime<Utc>>, Unavailable> {
        let micros: Option<i64> = row.try_get(index).map_err(bad)?;
        micros.map(|m| DateTime::from_timestamp_micros(m).ok_or_else(|| unreadable("time"))).transpose()
    };
    let created_at = time(3)?.ok_or_else(|| unreadable("time"))?;
    Ok(Token { role, hash, created_at, revoked_at: time(4)?, id })
}
