//! Opens the file. There is no option for less safety.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// How long the writer waits for another process's lock before it retries, up to its own limit: SQLite polls
/// less often the longer it waits, so that a busy process could starve it.
const PATIENT_SQL: &str = "PRAGMA busy_timeout = 100";

/// How long everything else waits for a lock.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// Connections for readers.
const READERS_MAX: u32 = 4;

/// How long a reader waits for a connection.
const READER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Rows read ahead for a reader, to avoid a thread switch per row.
const ROWS_AHEAD: usize = 512;

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        // FULL: a commit returns after the log is on disk. In WAL mode, NORMAL would lose commits in a power failure.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_MAX)
        // A destroyed key must not stay in a free page.
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging()
}

/// The writer's connection. Its settings are read back: a file system that does not support them is refused.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options(path).journal_mode(SqliteJournalMode::Wal).connect().await?;
    let mode: String = sqlx::query("PRAGMA journal_mode").fetch_one(&mut connection).await?.try_get(0)?;
    let synchronous: i64 = sqlx::query("PRAGMA synchronous").fetch_one(&mut connection).await?.try_get(0)?;
    if mode != "wal" || synchronous != 2 {
        connection.close().await.ok();
        let message = format!("SQLite answered journal_mode {mode}, synchronous {synchronous}; wal and 2 are needed");
        return Err(sqlx::Error::Configuration(message.into()));
    }
    Ok(connection)
}

/// Sets the writer's lock timeout, once the ledger is open.
pub(super) async fn begin_to_write(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(PATIENT_SQL).execute(connection).await.map(drop)
}

/// The readers' connections. They are read-only.
pub(super) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(READER_WAIT_MAX)
        // A local file does not disappear like a server: no test before use, no renewal.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options(path).pragma("query_only", "ON"))
}
