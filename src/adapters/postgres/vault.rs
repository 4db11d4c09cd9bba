//! Subjects' keys and the master key in the ledger's database: the statements of `keys/vault.rs` and `keys/rotation.rs`.
//! Tables: `subject_keys`, `master_key`, and those of `keys/wrapped.rs`.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool, Row as _, postgres::PgRow};

use super::{
    event_store::PostgresLedger,
    failure::{WriteFailure, describe},
};
use crate::{
    domain::ids::SubjectId,
    keys::{
        keyring::Keyring,
        tables::{KeyRow, KeyTables, WrappedKey},
        vault::StoredVault,
        wrapped::{Dialect, Rewrapper, Statements, TableStatements, WrappedRow},
    },
    ports::{clock::Clock, vault::Failure},
};

const KEY: &str = "SELECT key_id, master, nonce, wrapped, destroyed_at FROM subject_keys WHERE subject = $1";
/// Nothing is added with an outdated master key: whoever adds holds a share lock on the row that names the current one,
/// and whoever begins a rotation waits for that.
const ADD: &str = "INSERT INTO subject_keys (subject, key_id, master, nonce, wrapped, created_at) \
     SELECT $1, $2, $3, $4, $5, $6 FROM master_key WHERE id = $3 FOR SHARE ON CONFLICT DO NOTHING";
const DESTROY: &str = "INSERT INTO subject_keys (subject, destroyed_at) VALUES ($1, $2) \
     ON CONFLICT (subject) DO UPDATE SET key_id = NULL, master = NULL, nonce = NULL, wrapped = NULL, created_at = NULL, \
     destroyed_at = excluded.destroyed_at WHERE subject_keys.destroyed_at IS NULL";
/// An updated row stays in its page, and VACUUM keeps it as long as an old transaction may need it. A table
/// that is truncated and filled again gets a new file at once, and the old one is truncated. In between, the rows are in a
/// temporary table, which is not in the write-ahead log.
const SCRUB: &str = "LOCK TABLE subject_keys IN ACCESS EXCLUSIVE MODE; \
     CREATE TEMPORARY TABLE kept_keys ON COMMIT DROP AS SELECT * FROM subject_keys; \
     TRUNCATE subject_keys; INSERT INTO subject_keys SELECT * FROM kept_keys";

static STATEMENTS: LazyLock<Statements> = LazyLock::new(|| {
    Statements::written(&Dialect { hex: |column| format!("encode({column}, 'hex')"), row_lock: "FOR UPDATE" })
});

/// The vault of a PostgreSQL ledger.
pub type PostgresVault = StoredVault<PostgresKeyTables>;

/// The tables of keys in a PostgreSQL ledger.
pub struct PostgresKeyTables(PostgresLedger);

impl PostgresVault {
    /// The vault in the database of `ledger`, whose keys are encrypted with the current one of `masters`.
    pub fn new(ledger: &PostgresLedger, masters: impl Into<Keyring>) -> Self {
        Self::over(PostgresKeyTables(ledger.clone()), masters.into())
    }
}

fn unavailable(error: &sqlx::Error) -> Failure {
    Failure::Unavailable(describe(error))
}

fn key_row(row: &PgRow) -> Result<KeyRow, sqlx::Error> {
    if let Some(at) = row.try_get(4)? {
        return Ok(KeyRow::Destroyed(at));
    }
    let (id, master) = (row.try_get(0)?, row.try_get(1)?);
    Ok(KeyRow::Wrapped(WrappedKey { id, master, nonce: row.try_get(2)?, wrapped: row.try_get(3)? }))
}

#[async_trait]
impl KeyTables for PostgresKeyTables {
    fn workspace(&self) -> &str {
        self.0.workspace()
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    async fn key(&self, subject: &SubjectId) -> Result<Option<KeyRow>, Failure> {
        let row = sqlx::query(KEY).bind(subject.as_str()).fetch_optional(&self.0.pool).await;
        let bad = |error| Failure::Unavailable(format!("a key's row cannot be read: {}", describe(&error)));
        row.map_err(|e| unavailable(&e))?.map(|row| key_row(&row)).transpose().map_err(bad)
    }

    async fn add(&self, subject: &SubjectId, key: WrappedKey, at: DateTime<Utc>) -> Result<(), Failure> {
        let add = sqlx::query(ADD).bind(subject.as_str()).bind(key.id).bind(key.master).bind(key.nonce);
        let add = add.bind(key.wrapped).bind(at.timestamp_micros());
        add.execute(&self.0.pool).await.map(drop).map_err(|e| unavailable(&e))
    }

    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure> {
        let destroy = sqlx::query(DESTROY).bind(subject.as_str()).bind(at.timestamp_micros());
        destroy.execute(&self.0.pool).await.map(drop).map_err(|e| unavailable(&e))
    }

    async fn scrub(&self) -> Result<(), String> {
        scrub(&self.0.pool).await.map_err(|e| {
            let why = match WriteFailure::of(&e) {
                WriteFailure::Busy => "the table of keys is being read, perhaps by a backup".to_owned(),
                other => other.message().to_owned(),
            };
            format!("an older copy is still in the table's file: {why}")
        })
    }

    async fn current(&self) -> Result<Option<(String, Option<String>)>, Failure> {
        let row = sqlx::query(STATEMENTS.current).fetch_optional(&self.0.pool).await.map_err(|e| unavailable(&e))?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose().map_err(|e: sqlx::Error| unavailable(&e))
    }

    async fn adopt(&self, master: &str, at: DateTime<Utc>) -> Result<(), Failure> {
        let adopt = sqlx::query(STATEMENTS.adopt.as_str()).bind(master).bind(at.timestamp_micros());
        adopt.execute(&self.0.pool).await.map(drop).map_err(|e| unavailable(&e))
    }

    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure> {
        let begin = sqlx::query(STATEMENTS.begin).bind(to).bind(from).bind(at.timestamp_micros());
        begin.execute(&self.0.pool).await.map(drop).map_err(|e| unavailable(&e))
    }

    async fn finish(&self) -> Result<(), Failure> {
        let finish = sqlx::query(STATEMENTS.finish.as_str()).execute(&self.0.pool).await;
        finish.map(drop).map_err(|e| unavailable(&e))
    }

    fn wrapped(&self) -> &'static [TableStatements] {
        &STATEMENTS.tables
    }

    async fn count(&self, table: &'static TableStatements) -> Result<BTreeMap<String, u64>, Failure> {
        let rows = sqlx::query(table.count.as_str()).fetch_all(&self.0.pool).await.map_err(|e| unavailable(&e))?;
        let count = |row: &PgRow| Ok((row.try_get(0)?, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0)));
        rows.iter().map(count).collect::<Result<_, _>>().map_err(|e: sqlx::Error| unavailable(&e))
    }

    async fn rewrap(
        &self,
        table: &'static TableStatements,
        limit: usize,
        rewrapper: Rewrapper,
    ) -> Result<usize, Failure> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut connection = self.0.pool.acquire().await.map_err(|e| unavailable(&e))?;
        let mut transaction = connection.begin().await.map_err(|e| unavailable(&e))?;
        let done = rewrap(&mut transaction, table, limit, &rewrapper).await.map_err(|e| unavailable(&e))??;
        transaction.commit().await.map_err(|e| unavailable(&e))?;
        Ok(done)
    }
}

async fn rewrap(
    connection: &mut PgConnection,
    statements: &'static TableStatements,
    limit: i64,
    rewrapper: &Rewrapper,
) -> Result<Result<usize, Failure>, sqlx::Error> {
    let list = sqlx::query(statements.list.as_str()).bind(&rewrapper.current).bind(limit);
    let rows = list.fetch_all(&mut *connection).await?;
    let rows = rows.iter().map(wrapped_row).collect::<Result<Vec<_>, _>>()?;
    let rewrapped = match rewrapper.rewrap(statements.table, &rows) {
        Ok(rewrapped) => rewrapped,
        Err(failure) => return Ok(Err(failure)),
    };
    for (it, (nonce, wrapped)) in rows.iter().zip(rewrapped) {
        let put = sqlx::query(statements.put.as_str()).bind(&rewrapper.current).bind(nonce).bind(wrapped);
        put.bind(&it.row).bind(&it.nonce).execute(&mut *connection).await?;
    }
    Ok(Ok(rows.len()))
}

fn wrapped_row(row: &PgRow) -> Result<WrappedRow, sqlx::Error> {
    let (id, key, master) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(WrappedRow { row: id, key, master, nonce: row.try_get(3)?, wrapped: row.try_get(4)? })
}

/// Removes old rows from the table's file. Copies in the write-ahead log, its archive, replicas and backups
/// cannot be removed from here.
async fn scrub(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    transaction.execute(SCRUB).await?;
    transaction.commit().await
}
