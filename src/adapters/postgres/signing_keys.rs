//! Keys that sign checkpoints, in the ledger's database: the statements of `keys/signing.rs`. Table: `signing_keys`.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, Row as _, postgres::PgRow};

use super::{event_store::PostgresLedger, failure::describe};
use crate::{
    keys::{
        keyring::Keyring,
        signing::{NewKey, PublicRow, SigningTable, StoredSigningKeys},
    },
    ports::{clock::Clock, signing_keys::Failure},
    record::{note::VerifierKey, signing::WrappedSigningKey},
};

const CURRENT: &str = "SELECT id FROM master_key";
const SHARED: &str = "SELECT id FROM master_key FOR SHARE";
const IN_USE: &str = "SELECT public, master, nonce, wrapped FROM signing_keys WHERE name = $1 AND retired_at IS NULL";
const ALL: &str = "SELECT name, public, created_at, retired_at FROM signing_keys ORDER BY created_at, public";
const ADD: &str = "INSERT INTO signing_keys (public, name, master, nonce, wrapped, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT DO NOTHING";
const LEARN: &str =
    "INSERT INTO signing_keys (public, name, created_at, retired_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const RETIRE: &str = "UPDATE signing_keys SET retired_at = $1, master = NULL, nonce = NULL, wrapped = NULL \
     WHERE name = $2 AND retired_at IS NULL";

/// The signing keys of a PostgreSQL ledger.
pub type PostgresSigningKeys = StoredSigningKeys<PostgresSigningTable>;

/// The table of signing keys in a PostgreSQL ledger.
pub struct PostgresSigningTable(PostgresLedger);

impl PostgresSigningKeys {
    /// Keys in the database of `ledger`, encrypted with the current one of `masters`.
    pub fn new(ledger: &PostgresLedger, masters: impl Into<Keyring>) -> Self {
        Self::over(PostgresSigningTable(ledger.clone()), masters.into())
    }
}

#[async_trait]
impl SigningTable for PostgresSigningTable {
    fn workspace(&self) -> &str {
        self.0.workspace()
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    async fn in_use(&self, name: &str) -> Result<Option<(String, WrappedSigningKey)>, Failure> {
        let query = sqlx::query(IN_USE).bind(name);
        let row = query.fetch_optional(&self.0.pool).await.map_err(|e| unavailable(&e))?;
        row.map(|row| in_use(&row)).transpose().map_err(|e| unavailable(&e))
    }

    async fn master(&self) -> Result<Option<String>, Failure> {
        let id = sqlx::query_scalar(CURRENT).fetch_optional(&self.0.pool).await;
        id.map_err(|e| unavailable(&e))
    }

    async fn add(&self, new: NewKey) -> Result<bool, Failure> {
        let NewKey { name, master, key, at, retire } = new;
        let (WrappedSigningKey { public, nonce, wrapped }, now) = (key, at.timestamp_micros());
        let write = async {
            let mut connection = self.0.pool.acquire().await?;
            let mut transaction = connection.begin().await?;
            // Until the end of this transaction, the master key cannot change.
            let current: Option<String> = sqlx::query_scalar(SHARED).fetch_optional(&mut *transaction).await?;
            if current.is_some_and(|current| current != master) {
                return Ok(false);
            }
            if retire {
                sqlx::query(RETIRE).bind(now).bind(name.as_str()).execute(&mut *transaction).await?;
            }
            let query = sqlx::query(ADD).bind(public).bind(name).bind(master).bind(nonce).bind(wrapped);
            query.bind(now).execute(&mut *transaction).await?;
            transaction.commit().await.map(|()| true)
        };
        let written: Result<bool, sqlx::Error> = write.await;
        written.map_err(|e| unavailable(&e))
    }

    async fn all(&self) -> Result<Vec<PublicRow>, Failure> {
        let rows = sqlx::query(ALL).fetch_all(&self.0.pool).await.map_err(|e| unavailable(&e))?;
        let bad = |_| Failure::Unavailable("a row of signing_keys cannot be read".to_owned());
        rows.iter().map(public_row).collect::<Result<_, _>>().map_err(bad)
    }

    async fn learn(&self, keys: &[VerifierKey], at: DateTime<Utc>) -> Result<(), Failure> {
        let now = at.timestamp_micros();
        for key in keys {
            let query = sqlx::query(LEARN).bind(key.public().to_vec()).bind(key.name()).bind(now).bind(now);
            query.execute(&self.0.pool).await.map_err(|e| unavailable(&e))?;
        }
        Ok(())
    }
}

fn in_use(row: &PgRow) -> Result<(String, WrappedSigningKey), sqlx::Error> {
    let (public, nonce, wrapped) = (row.try_get(0)?, row.try_get(2)?, row.try_get(3)?);
    Ok((row.try_get(1)?, WrappedSigningKey { public, nonce, wrapped }))
}

fn public_row(row: &PgRow) -> Result<PublicRow, sqlx::Error> {
    let (name, public) = (row.try_get(0)?, row.try_get(1)?);
    Ok(PublicRow { name, public, created_at: row.try_get(2)?, retired_at: row.try_get(3)? })
}

fn unavailable(error: &sqlx::Error) -> Failure {
    Failure::Unavailable(describe(error))
}
