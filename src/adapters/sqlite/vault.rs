//! Subjects' keys and the master key in the ledger's file: the statements of `keys/vault.rs` and `keys/rotation.rs`. Tables:
//! `subject_keys`, `master_key`, and those of `keys/wrapped.rs`.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{event_store::SqliteLedger, failure::describe};
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

/// Rounds in which an erasure tries to empty the write-ahead log; in each the writer waits 10 s for readers.
const SCRUB_ROUNDS_MAX: usize = 3;

const KEY: &str = "SELECT key_id, master, nonce, wrapped, destroyed_at FROM subject_keys WHERE subject = ?";
/// Nothing is added with an outdated master key.
const ADD: &str = "INSERT INTO subject_keys (subject, key_id, master, nonce, wrapped, created_at) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM master_key WHERE id = ?3 ON CONFLICT DO NOTHING";
/// The row is deleted first: overwritten in place, a shorter row could leave the end of the longer one in its page, whereas
/// `secure_delete` overwrites a deleted row with zeros.
const REMOVE: &str = "DELETE FROM subject_keys WHERE subject = ? AND destroyed_at IS NULL";
const MARK: &str = "INSERT INTO subject_keys (subject, destroyed_at) VALUES (?, ?) ON CONFLICT DO NOTHING";

static STATEMENTS: LazyLock<Statements> =
    LazyLock::new(|| Statements::written(&Dialect { hex: |column| format!("lower(hex({column}))"), row_lock: "" }));

/// The vault of an SQLite ledger.
pub type SqliteVault = StoredVault<SqliteKeyTables>;

/// The tables of keys in an SQLite ledger.
pub struct SqliteKeyTables(SqliteLedger);

impl SqliteVault {
    /// The vault in the file of `ledger`, whose keys are encrypted with the current one of `masters`.
    pub fn new(ledger: &SqliteLedger, masters: impl Into<Keyring>) -> Self {
        Self::over(SqliteKeyTables(ledger.clone()), masters.into())
    }
}

fn unavailable(error: &sqlx::Error) -> Failure {
    Failure::Unavailable(describe(error))
}

fn key_row(row: &SqliteRow) -> Result<KeyRow, sqlx::Error> {
    if let Some(at) = row.try_get(4)? {
        return Ok(KeyRow::Destroyed(at));
    }
    let (id, master) = (row.try_get(0)?, row.try_get(1)?);
    Ok(KeyRow::Wrapped(WrappedKey { id, master, nonce: row.try_get(2)?, wrapped: row.try_get(3)? }))
}

#[async_trait]
impl KeyTables for SqliteKeyTables {
    fn workspace(&self) -> &str {
        self.0.workspace()
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    async fn key(&self, subject: &SubjectId) -> Result<Option<KeyRow>, Failure> {
        let row = sqlx::query(KEY).bind(subject.to_string()).fetch_optional(&self.0.readers).await;
        let bad = |error| Failure::Unavailable(format!("a key's row cannot be read: {}", describe(&error)));
        row.map_err(|e| unavailable(&e))?.map(|row| key_row(&row)).transpose().map_err(bad)
    }

    async fn add(&self, subject: &SubjectId, key: WrappedKey, at: DateTime<Utc>) -> Result<(), Failure> {
        let (name, now) = (subject.to_string(), at.timestamp_micros());
        let write = self.0.writer.run(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(ADD).bind(name).bind(key.id).bind(key.master).bind(key.nonce);
                query.bind(key.wrapped).bind(now).execute(connection).await.map(drop)
            })
        });
        write.await.map_err(Failure::Unavailable)
    }

    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure> {
        let (name, at) = (subject.to_string(), at.timestamp_micros());
        let write = self.0.writer.run(move |connection| Box::pin(forget(connection, name, at)));
        write.await.map_err(Failure::Unavailable)
    }

    async fn scrub(&self) -> Result<(), String> {
        // The log still contains the old page. Between rounds the writer does other work.
        for _ in 0..SCRUB_ROUNDS_MAX {
            if self.0.writer.truncate_log().await? {
                return Ok(());
            }
        }
        Err("a reader keeps an older copy in the write-ahead log".to_owned())
    }

    async fn current(&self) -> Result<Option<(String, Option<String>)>, Failure> {
        let row = sqlx::query(STATEMENTS.current).fetch_optional(&self.0.readers).await.map_err(|e| unavailable(&e))?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose().map_err(|e: sqlx::Error| unavailable(&e))
    }

    async fn adopt(&self, master: &str, at: DateTime<Utc>) -> Result<(), Failure> {
        let (id, now) = (master.to_owned(), at.timestamp_micros());
        let adopt = self.0.writer.run(move |connection| {
            Box::pin(async move {
                sqlx::query(STATEMENTS.adopt.as_str()).bind(id).bind(now).execute(connection).await.map(drop)
            })
        });
        adopt.await.map_err(Failure::Unavailable)
    }

    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure> {
        let (before, after, at) = (from.to_owned(), to.to_owned(), at.timestamp_micros());
        let begin = self.0.writer.run(move |connection| {
            Box::pin(async move {
                let begin = sqlx::query(STATEMENTS.begin).bind(after).bind(before).bind(at);
                begin.execute(connection).await.map(drop)
            })
        });
        begin.await.map_err(Failure::Unavailable)
    }

    async fn finish(&self) -> Result<(), Failure> {
        let finish = self.0.writer.run(|connection| {
            Box::pin(async move { sqlx::query(STATEMENTS.finish.as_str()).execute(connection).await.map(drop) })
        });
        finish.await.map_err(Failure::Unavailable)
    }

    fn wrapped(&self) -> &'static [TableStatements] {
        &STATEMENTS.tables
    }

    async fn count(&self, table: &'static TableStatements) -> Result<BTreeMap<String, u64>, Failure> {
        let rows = sqlx::query(table.count.as_str()).fetch_all(&self.0.readers).await.map_err(|e| unavailable(&e))?;
        let count = |row: &SqliteRow| Ok((row.try_get(0)?, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0)));
        rows.iter().map(count).collect::<Result<_, _>>().map_err(|e: sqlx::Error| unavailable(&e))
    }

    async fn rewrap(
        &self,
        table: &'static TableStatements,
        limit: usize,
        rewrapper: Rewrapper,
    ) -> Result<usize, Failure> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let done = self.0.writer.run(move |connection| Box::pin(rewrap(connection, table, limit, rewrapper)));
        // A missing key is a result, not a failed transaction: nothing was written before it.
        done.await.map_err(Failure::Unavailable)?
    }
}

async fn forget(connection: &mut SqliteConnection, subject: String, at: i64) -> Result<(), sqlx::Error> {
    sqlx::query(REMOVE).bind(subject.as_str()).execute(&mut *connection).await?;
    sqlx::query(MARK).bind(subject.as_str()).bind(at).execute(connection).await.map(drop)
}

async fn rewrap(
    connection: &mut SqliteConnection,
    statements: &'static TableStatements,
    limit: i64,
    rewrapper: Rewrapper,
) -> Result<Result<usize, Failure>, sqlx::Error> {
    let list = sqlx::query(statements.list.as_str()).bind(rewrapper.current.clone()).bind(limit);
    let rows = list.fetch_all(&mut *connection).await?;
    let rows = rows.iter().map(wrapped_row).collect::<Result<Vec<_>, _>>()?;
    let rewrapped = match rewrapper.rewrap(statements.table, &rows) {
        Ok(rewrapped) => rewrapped,
        Err(failure) => return Ok(Err(failure)),
    };
    let count = rows.len();
    for (it, (nonce, wrapped)) in rows.into_iter().zip(rewrapped) {
        let put = sqlx::query(statements.put.as_str()).bind(rewrapper.current.clone()).bind(nonce).bind(wrapped);
        put.bind(it.row).bind(it.nonce).execute(&mut *connection).await?;
    }
    Ok(Ok(count))
}

fn wrapped_row(row: &SqliteRow) -> Result<WrappedRow, sqlx::Error> {
    let (id, key, master) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(WrappedRow { row: id, key, master, nonce: row.try_get(3)?, wrapped: row.try_get(4)? })
}
