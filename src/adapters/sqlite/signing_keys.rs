//! Keys that sign checkpoints, in the ledger's file: the statements of `keys/signing.rs`. Table: `signing_keys`.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{event_store::SqliteLedger, failure::describe};
use crate::{
    keys::{
        keyring::Keyring,
        signing::{NewKey, PublicRow, SigningTable, StoredSigningKeys},
    },
    ports::{clock::Clock, signing_keys::Failure},
    record::{note::VerifierKey, signing::WrappedSigningKey},
};

const CURRENT: &str = "SELECT id FROM master_key";
const IN_USE: &str = "SELECT public, master, nonce, wrapped FROM signing_keys WHERE name = ? AND retired_at IS NULL";
const ALL: &str = "SELECT name, public, created_at, retired_at FROM signing_keys ORDER BY created_at, public";
const ADD: &str = "INSERT INTO signing_keys (public, name, master, nonce, wrapped, created_at) VALUES (?, ?, ?, ?, ?, ?) \
     ON CONFLICT DO NOTHING";
const LEARN: &str =
    "INSERT INTO signing_keys (public, name, created_at, retired_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
const RETIRE: &str = "UPDATE signing_keys SET retired_at = ?, master = NULL, nonce = NULL, wrapped = NULL \
     WHERE name = ? AND retired_at IS NULL";

/// The signing keys of an SQLite ledger.
pub type SqliteSigningKeys = StoredSigningKeys<SqliteSigningTable>;

/// The table of signing keys in an SQLite ledger.
pub struct SqliteSigningTable(SqliteLedger);

impl SqliteSigningKeys {
    /// Keys in the file of `ledger`, encrypted with the current one of `masters`.
    pub fn new(ledger: &SqliteLedger, masters: impl Into<Keyring>) -> Self {
        Self::over(SqliteSigningTable(ledger.clone()), masters.into())
    }
}

#[async_trait]
impl SigningTable for SqliteSigningTable {
    fn workspace(&self) -> &str {
        self.0.workspace()
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    async fn in_use(&self, name: &str) -> Result<Option<(String, WrappedSigningKey)>, Failure> {
        let query = sqlx::query(IN_USE).bind(name.to_owned());
        let row = query.fetch_optional(&self.0.readers).await.map_err(|e| unavailable(&e))?;
        row.map(|row| in_use(&row)).transpose().map_err(|e| unavailable(&e))
    }

    async fn master(&self) -> Result<Option<String>, Failure> {
        let id = sqlx::query_scalar(CURRENT).fetch_optional(&self.0.readers).await;
        id.map_err(|e| unavailable(&e))
    }

    async fn add(&self, new: NewKey) -> Result<bool, Failure> {
        let write = self.0.writer.run(move |connection| Box::pin(add(connection, new)));
        write.await.map_err(Failure::Unavailable)
    }

    async fn all(&self) -> Result<Vec<PublicRow>, Failure> {
        let rows = sqlx::query(ALL).fetch_all(&self.0.readers).await.map_err(|e| unavailable(&e))?;
        let bad = |_| Failure::Unavailable("a row of signing_keys cannot be read".to_owned());
        rows.iter().map(public_row).collect::<Result<_, _>>().map_err(bad)
    }

    async fn learn(&self, keys: &[VerifierKey], at: DateTime<Utc>) -> Result<(), Failure> {
        let (keys, now) = (keys.to_vec(), at.timestamp_micros());
        let write = self.0.writer.run(move |connection| Box::pin(learn(connection, keys, now)));
        write.await.map_err(Failure::Unavailable)
    }
}

async fn add(connection: &mut SqliteConnection, new: NewKey) -> Result<bool, sqlx::Error> {
    let NewKey { name, master, key, at, retire } = new;
    let (WrappedSigningKey { public, nonce, wrapped }, now) = (key, at.timestamp_micros());
    let current: Option<String> = sqlx::query_scalar(CURRENT).fetch_optional(&mut *connection).await?;
    if current.is_some_and(|current| current != master) {
        return Ok(false);
    }
    if retire {
        sqlx::query(RETIRE).bind(now).bind(name.as_str()).execute(&mut *connection).await?;
    }
    let query = sqlx::query(ADD).bind(public).bind(name).bind(master).bind(nonce).bind(wrapped);
    query.bind(now).execute(connection).await.map(|_| true)
}

async fn learn(connection: &mut SqliteConnection, keys: Vec<VerifierKey>, now: i64) -> Result<(), sqlx::Error> {
    for key in keys {
        let query = sqlx::query(LEARN).bind(key.public().to_vec()).bind(key.name().to_owned());
        query.bind(now).bind(now).execute(&mut *connection).await?;
    }
    Ok(())
}

fn in_use(row: &SqliteRow) -> Result<(String, WrappedSigningKey), sqlx::Error> {
    let (public, nonce, wrapped) = (row.try_get(0)?, row.try_get(2)?, row.try_get(3)?);
    Ok((row.try_get(1)?, WrappedSigningKey { public, nonce, wrapped }))
}

fn public_row(row: &SqliteRow) -> Result<PublicRow, sqlx::Error> {
    let (name, public) = (row.try_get(0)?, row.try_get(1)?);
    Ok(PublicRow { name, public, created_at: row.try_get(2)?, retired_at: row.try_get(3)? })
}

fn unavailable(error: &sqlx::Error) -> Failure {
    Failure::Unavailable(describe(error))
}
