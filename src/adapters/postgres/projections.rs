//! Read models in PostgreSQL: in the ledger's database, or in another one. Tables: `projections/*.sql`.
//!
//! A batch is one transaction: its checkpoints are locked and compared, all affected rows are read with one
//! statement per table, changed in memory, and written back with one statement per table. Several processes may project
//! into one database: the slower one finds that the checkpoint has moved.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    Executor as _, PgConnection, PgPool, Postgres, Row as _, Transaction,
    postgres::{PgPoolOptions, PgRow},
};

use super::{
    address::Server,
    projection_checkpoints::{checkpoints, number, position_of, put_checkpoint},
    projection_compare::compare_tables,
    projection_rows::{corrupt, failure, rows_from, stored, with_keys, with_rows},
    projection_sql as sql,
    projection_sql::book,
    session,
};
use crate::{
    adapters::shared::table_rules,
    domain::ids::Position,
    ports::projection_store::{Batch, Checkpoint, Comparison, Failure, ProjectionStore, TableCopy},
    projections::{
        Drafts, Projection, Row, Value,
        query::Query,
        query_statements::statement_call,
        statements::{CHECKPOINTS_TABLE, CREATE_CHECKPOINTS, DROP_CHECKPOINT},
    },
    record::envelope::write_time,
};

/// Connections that write: the projector's, and that of a rebuild.
const WRITERS_MAX: u32 = 2;
/// Connections for readers.
const READERS_MAX: u32 = 4;
/// How long a caller waits for a connection, including a server restart.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Additional setting. After a power failure, lost rows are projected again together with their checkpoint, so
/// commits need not wait for the disk.
const SETTINGS: &str = "SET synchronous_commit = off";

/// Read models in a PostgreSQL database. Clones share its connections.
#[derive(Clone)]
pub struct PostgresProjections {
    writers: PgPool,
    readers: PgPool,
}

impl PostgresProjections {
    /// Opens an existing database. [`ProjectionStore::prepare`] creates the tables.
    ///
    /// # Errors
    /// `Unavailable` if the server is unreachable or refuses the login.
    pub async fn open(server: &Server) -> Result<Self, Failure> {
        let (writers, readers) = (pool(server, WRITERS_MAX), pool(server, READERS_MAX));
        let table_exists: bool =
            sqlx::query_scalar(sql::CHECKPOINTS_TABLE_EXISTS).fetch_one(&writers).await.map_err(|e| failure(&e))?;
        if !table_exists {
            let mut tx = writers.begin().await.map_err(|e| failure(&e))?;
            run(&mut tx, sql::CREATION_LOCK).await?;
            run(&mut tx, CREATE_CHECKPOINTS).await?;
            tx.commit().await.map_err(|e| failure(&e))?;
        }
        Ok(Self { writers, readers })
    }

    /// Closes its connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }

    /// A transaction that may create, drop and rename tables.
    async fn begin_tables(&self, begin: &'static str) -> Result<Transaction<'static, Postgres>, Failure> {
        let mut tx = self.writers.begin_with(begin).await.map_err(|e| failure(&e))?;
        run(&mut tx, sql::LOCK_TABLES).await?;
        Ok(tx)
    }
}

#[async_trait]
impl ProjectionStore for PostgresProjections {
    async fn prepare(&self, now: DateTime<Utc>) -> Result<Vec<&'static str>, Failure> {
        let mut connection = self.writers.acquire().await.map_err(|e| failure(&e))?;
        // Checked first: a process that starts next to others need not wait for them.
        if stale(&mut connection).await?.is_empty() {
            return Ok(Vec::new());
        }
        drop(connection);
        let mut tx = self.begin_tables("BEGIN").await?;
        let stale = stale(&mut tx).await?;
        for projection in &stale {
            create(&mut tx, projection, TableCopy::Live, now).await?;
        }
        tx.commit().await.map_err(|e| failure(&e))?;
        Ok(stale.into_iter().map(|projection| projection.name).collect())
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        let mut connection = self.readers.acquire().await.map_err(|e| failure(&e))?;
        checkpoints(&mut connection).await
    }

    async fn apply(&self, batches: Vec<Batch>, now: DateTime<Utc>) -> Result<(), Failure> {
        let table = |batch: &Batch| book().copy(batch.projection, batch.table_copy).table;
        let tables: Vec<&str> = batches.iter().map(table).collect();
        let mut tx = self.writers.begin().await.map_err(|e| failure(&e))?;
        let locked = keep_checkpoints(&mut tx, &tables).await?;
        for batch in &batches {
            let stored = locked.get(table(batch)).copied();
            if stored != Some((i64::from(batch.projection.version), number(batch.from))) {
                let stored = stored.map(|(_, position)| Position(u64::try_from(position).unwrap_or(0)));
                return Err(Failure::Moved { projection: batch.projection.name, stored });
            }
        }
        for batch in &batches {
            fill(&mut tx, batch).await?;
        }
        let reached: Vec<i64> = batches.iter().map(|batch| number(batch.to)).collect();
        let moved = sqlx::query(sql::MOVE_CHECKPOINTS).bind(tables).bind(reached).bind(write_time(now));
        moved.execute(&mut *tx).await.map_err(|e| failure(&e))?;
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
        let mut tx = self.begin_tables("BEGIN").await?;
        create(&mut tx, projection, table_copy, now).await?;
        tx.commit().await.map_err(|e| failure(&e))
    }

    async fn discard(&self, projection: &'static Projection, table_copy: TableCopy) -> Result<(), Failure> {
        let mut tx = self.begin_tables("BEGIN").await?;
        remove(&mut tx, projection, table_copy).await?;
        tx.commit().await.map_err(|e| failure(&e))
    }

    async fn compare(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        examples: usize,
    ) -> Result<Comparison, Failure> {
        // One snapshot of both copies and both checkpoints; without the lock, a copy might be swapped during it.
        let mut tx = self.writers.begin_with(sql::BEGIN_TO_COMPARE).await.map_err(|e| failure(&e))?;
        compare_tables(&mut tx, projection, table_copy, examples).await
    }

    async fn swap(&self, projection: &'static Projection, behind_max: u64, now: DateTime<Utc>) -> Result<(), Failure> {
        let mut tx = self.begin_tables("BEGIN").await?;
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

/// Lazy connections, tested before each use, because the server may have been restarted.
fn pool(server: &Server, most: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(CONNECT_MAX)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(session::SETTINGS).await?;
                connection.execute(SETTINGS).await.map(drop)
            })
        })
        .connect_lazy_with(server.options.clone())
}

/// Projections whose live copy is missing or was filled by another definition.
async fn stale(connection: &mut PgConnection) -> Result<Vec<&'static Projection>, Failure> {
    let names: Vec<String> =
        sqlx::query_scalar(sql::TABLE_NAMES).fetch_all(&mut *connection).await.map_err(|e| failure(&e))?;
    let known = checkpoints(connection).await?;
    Ok(table_rules::outdated(&known, |projection| names.iter().any(|name| name == projection.name)))
}

/// Applies a batch to its table: rows are read once, changed in memory, written once.
async fn fill(connection: &mut PgConnection, batch: &Batch) -> Result<(), Failure> {
    if batch.writes.is_empty() {
        return Ok(());
    }
    let (statements, table) = (book().copy(batch.projection, batch.table_copy), &batch.projection.table);
    let mut drafts = Drafts::of(&batch.writes);
    let keys: Vec<&[String]> = drafts.keys().collect();
    let wanted = with_keys(sqlx::query(statements.read), table, &keys);
    for row in &wanted.fetch_all(&mut *connection).await.map_err(|e| failure(&e))? {
        drafts.found(table, stored(statements.table, table, row)?);
    }
    let changed = drafts.changed(table);
    if changed.is_empty() {
        return Ok(());
    }
    let written = with_rows(sqlx::query(statements.write), table, &changed);
    written.execute(connection).await.map_err(|e| failure(&e)).map(|_| ())
}

/// Version and position of these copies, locked until the transaction ends.
async fn keep_checkpoints(
    connection: &mut PgConnection,
    tables: &[&str],
) -> Result<HashMap<String, (i64, i64)>, Failure> {
    let rows = sqlx::query(sql::LOCK_CHECKPOINTS).bind(tables).fetch_all(connection).await.map_err(|e| failure(&e))?;
    let read = |row: &PgRow| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| corrupt(CHECKPOINTS_TABLE, &error))
}
async fn create(
    connection: &mut PgConnection,
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

async fn remove(connection: &mut PgConnection, projection: &Projection, table_copy: TableCopy) -> Result<(), Failure> {
    let statements = book().copy(projection, table_copy);
    run(connection, statements.drop).await?;
    let dropped = sqlx::query(DROP_CHECKPOINT).bind(statements.table);
    dropped.execute(connection).await.map_err(|e| failure(&e)).map(|_| ())
}

async fn run(connection: &mut PgConnection, statements: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(statements).execute(connection).await.map_err(|e| failure(&e)).map(|_| ())
}
