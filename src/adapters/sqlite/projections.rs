//! Read models in SQLite: in the ledger's file, or in a separate one. Tables: `projections/*.sql`.
//!
//! A batch is one transaction: checkpoints are compared and moved, all affected rows are read with one
//! statement per table, changed in memory, and written back with one statement per table.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    ConnectOptions as _, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    projection_checkpoints::{checkpoints, number, position_of, put_checkpoint},
    projection_compare::compare_tables,
    projection_rows::{failure, keys_json, rows_from, rows_json, stored},
    projection_sql as sql,
    projection_sql::book,
};
use crate::{
    adapters::shared::table_rules,
    domain::ids::Position,
    ports::projection_store::{Batch, Checkpoint, Comparison, Failure, ProjectionStore, TableCopy},
    projections::{
        Drafts, Projection, Row, Value,
        query::Query,
        query_statements::statement_call,
        statements::{CREATE_CHECKPOINTS, DROP_CHECKPOINT},
    },
    record::envelope::write_time,
};

/// How long a statement waits for another process's lock.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// Connections for readers.
const READERS_MAX: u32 = 4;

/// Rows read ahead for a reader, to avoid a thread switch per row.
const ROWS_AHEAD: usize = 512;

/// Read models in an SQLite file. Clones share its connections.
#[derive(Clone)]
pub struct SqliteProjections {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteProjections {
    /// Opens the file, or creates it. [`ProjectionStore::prepare`] creates the tables.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be used.
    pub async fn open(path: &Path) -> Result<Self, Failure> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| Failure::Unavailable(error.to_string()))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Rows and checkpoint are lost together or not at all, and what a power failure loses is projected again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_MAX)
            // An erased text must not stay in a free page.
            .pragma("secure_delete", "ON")
            .pragma("trusted_schema", "OFF")
            .row_buffer_size(ROWS_AHEAD)
            .disable_statement_logging();
        let pool = |most| SqlitePoolOptions::new().max_connections(most).idle_timeout(None).max_lifetime(None);
        let writer = pool(1).test_before_acquire(false).connect_with(options.clone()).await.map_err(|e| failure(&e))?;
        sqlx::query(CREATE_CHECKPOINTS).execute(&writer).await.map_err(|e| failure(&e))?;
        let readers =
            pool(READERS_MAX).test_before_acquire(false).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self { writer, readers })
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>, Failure> {
        // A transaction that begins with a read could no longer write after another process has written.
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failure(&e))
    }
}

#[async_trait]
impl ProjectionStore for SqliteProjections {
    async fn prepare(&self, now: DateTime<Utc>) -> Result<Vec<&'static str>, Failure> {
        let mut tx = self.begin_write().await?;
        let names: Vec<String> =
            sqlx::query_scalar(sql::TABLE_NAMES).fetch_all(&mut *tx).await.map_err(|e| failure(&e))?;
        let known = checkpoints(&mut tx).await?;
        let outdated = table_rules::outdated(&known, |projection| names.iter().any(|name| name == projection.name));
        for projection in &outdated {
            create(&mut tx, projection, TableCopy::Live, now).await?;
        }
        tx.commit().await.map_err(|e| failure(&e))?;
        Ok(outdated.into_iter().map(|projection| projection.name).collect())
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        let mut connection = self.readers.acquire().await.map_err(|e| failure(&e))?;
        checkpoints(&mut connection).await
    }

    async fn apply(&self, batches: Vec<Batch>, now: DateTime<Utc>) -> Result<(), Failure> {
        let mut tx = self.begin_write().await?;
        for batch in &batches {
            let table = book().copy(batch.projection, batch.table_copy).table;
            let moved = sqlx::query(sql::MOVE_CHECKPOINT)
                .bind(number(batch.to))
                .bind(write_time(now))
                .bind(table)
                .bind(number(batch.from))
                .bind(batch.projection.version);
            if moved.execute(&mut *tx).await.map_err(|e| failure(&e))?.rows_affected() != 1 {
                let stored = position_of(&mut tx, table).await?;
                return Err(Failure::Moved { projection: batch.projection.name, stored });
            }
            fill(&mut tx, batch).await?;
        }
        tx.commit().await.map_err(|e| failure(&e))
    }

    async fn ask(&self, query: &Query) -> Result<Vec<Row>, Failure> {
        let (file, name, arguments) = statement_call(query);
        let mut statement = sqlx::query(book().named(file, name));
        for argument in arguments {
            statement = match argument {
                Value::Null => statement.bind(None::<String>),
                Value::Bool(flag) => statement.bind(flag),
                Value::Int(number) => statement.bind(number),
                Value::Text(text) => statement.bind(text),
            };
        }
        let rows = statement.fetch_all(&self.readers).await.map_err(|e| failure(&e))?;
        rows_from(file, &rows)
    }

    async fn begin(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut tx = self.begin_write().await?;
        create(&mut tx, projection, table_copy, now).await?;
        tx.commit().await.map_err(|e| failure(&e))
    }

    async fn discard(&self, projection: &'static Projection, table_copy: TableCopy) -> Result<(), Failure> {
        let mut tx = self.begin_write().await?;
        remove(&mut tx, projection, table_copy).await?;
        tx.commit().await.map_err(|e| failure(&e))
    }

    async fn compare(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        examples: usize,
    ) -> Result<Comparison, Failure> {
        // One read transaction sees both copies and both checkpoints at one moment.
        let mut tx = self.readers.begin().await.map_err(|e| failure(&e))?;
        compare_tables(&mut tx, projection, table_copy, examples).await
    }

    async fn swap(&self, projection: &'static Projection, behind_max: u64, now: DateTime<Utc>) -> Result<(), Failure> {
        let mut tx = self.begin_write().await?;
        let (live, next) = (book().copy(projection, TableCopy::Live), book().copy(projection, TableCopy::Next));
        let at = position_of(&mut tx, live.table).await?;
        let reached = position_of(&mut tx, next.table).await?;
        let Some(reached) = table_rules::replaces(at, reached, behind_max) else {
            return Err(Failure::Moved { projection: projection.name, stored: at });
        };
        remove(&mut tx, projection, TableCopy::Live).await?;
        run(&mut tx, next.rename).await?;
        sqlx::query(DROP_CHECKPOINT).bind(next.table).execute(&mut *tx).await.map_err(|e| failure(&e))?;
        put_checkpoint(&mut tx, live.table, projection, reached, now).await?;
        tx.commit().await.map_err(|e| failure(&e))
    }
}

/// Applies a batch to its table: rows are read once, changed in memory, written once.
async fn fill(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), Failure> {
    if batch.writes.is_empty() {
        return Ok(());
    }
    let (statements, table) = (book().copy(batch.projection, batch.table_copy), &batch.projection.table);
    let mut drafts = Drafts::of(&batch.writes);
    let wanted = sqlx::query(statements.read).bind(keys_json(drafts.keys()));
    for row in &wanted.fetch_all(&mut *connection).await.map_err(|e| failure(&e))? {
        drafts.found(table, stored(statements.table, table, row)?);
    }
    let changed = drafts.changed(table);
    if changed.is_empty() {
        return Ok(());
    }
    let written = sqlx::query(statements.write).bind(rows_json(changed.iter()));
    written.execute(connection).await.map_err(|e| failure(&e)).map(|_| ())
}
async fn create(
    connection: &mut SqliteConnection,
    projection: &Projection,
    table_copy: TableCopy,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    remove(connection, projection, table_copy).await?;
    let taken: Vec<String> =
        sqlx::query_scalar(sql::INDEX_NAMES).fetch_all(&mut *connection).await.map_err(|e| failure(&e))?;
    let statements = book().copy(projection, table_copy);
    run(connection, statements.create(&taken)).await?;
    put_checkpoint(connection, statements.table, projection, Position(0), now).await
}

async fn remove(
    connection: &mut SqliteConnection,
    projection: &Projection,
    table_copy: TableCopy,
) -> Result<(), Failure> {
    let statements = book().copy(projection, table_copy);
    run(connection, statements.drop).await?;
    let dropped = sqlx::query(DROP_CHECKPOINT).bind(statements.table);
    dropped.execute(connection).await.map_err(|e| failure(&e)).map(|_| ())
}

async fn run(connection: &mut SqliteConnection, statements: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(statements).execute(connection).await.map_err(|e| failure(&e)).map(|_| ())
}
