//! Opens a ledger's file: creates or migrates it, and refuses foreign files.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::sync::watch;

use super::{
    connection,
    event_store::SqliteLedger,
    failure::{OpenFailure, describe},
    inserter::Inserter,
    migrations::{FORMAT, MIGRATIONS},
    scan::Scanner,
    transact::end,
    writer::Writer,
};
use crate::ports::clock::Clock;

/// Options for opening a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The file. Its folder is created if missing.
    pub path: PathBuf,
    /// The workspace that owns the ledger, permanently.
    pub workspace: String,
}

/// The path in `sqlite://<path>`.
///
/// # Errors
/// [`OpenFailure::Address`] for anything else, including settings after `?` and memory: a ledger must be durable.
pub fn path_of_url(url: &str) -> Result<PathBuf, OpenFailure> {
    let refuse = || OpenFailure::Address(url.to_owned());
    let path = url.strip_prefix("sqlite://").ok_or_else(refuse)?;
    if path.is_empty() || path.contains(['?', '#', '\0']) || path.starts_with(":memory:") || path.ends_with('/') {
        return Err(refuse());
    }
    Ok(PathBuf::from(path))
}

impl SqliteLedger {
    /// Opens the ledger, or creates it. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open(options: Options, clock: Arc<dyn Clock>) -> Result<Self, OpenFailure> {
        let Options { path, workspace } = options;
        let io = |source| OpenFailure::Io { path: path.clone(), source };
        // Two programs that start at once with a new file would both create the tables. The lock is on the folder, because a
        // lock on the file would interfere with SQLite's.
        let lock = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || prepare(&path))
                .await
                .map_err(io::Error::other)
                .and_then(|r| r)
                .map_err(io)?
        };
        let opened = migrated(&path, &workspace, clock.as_ref()).await;
        drop(lock);
        let mut connection = opened?;
        let sqlite = |error: sqlx::Error| OpenFailure::Sqlite { path: path.clone(), reason: describe(&error) };
        let end = watch::Sender::new(end(&mut connection).await.map_err(sqlite)?);
        connection::begin_to_write(&mut connection).await.map_err(sqlite)?;
        let readers = connection::readers(&path);
        let inserter = Inserter::open(&path)
            .map_err(|trouble| OpenFailure::Sqlite { path: path.clone(), reason: trouble.message().to_owned() })?;
        let writer = Writer::start(path.clone(), connection, inserter, end.clone(), Arc::clone(&clock)).map_err(io)?;
        tracing::info!(
            ledger.end = *end.borrow(),
            "Opened the ledger {} at position {}",
            path.display(),
            *end.borrow()
        );
        let scanner = Scanner::new(path);
        Ok(Self { workspace: workspace.into(), readers, scanner, writer, end, clock })
    }
}

/// Creates folder and file, and takes the lock for the migration.
fn prepare(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let lock = File::open(folder)?;
    lock.lock()?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // SQLite gives its log and index files the permissions of the main file.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => {
            file.sync_all()?;
            // Its name must survive a power failure as well.
            lock.sync_all()?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(lock)
}

async fn migrated(path: &Path, workspace: &str, clock: &dyn Clock) -> Result<SqliteConnection, OpenFailure> {
    let sqlite = |reason: String| OpenFailure::Sqlite { path: path.to_owned(), reason };
    let mut connection = connection::writer(path).await.map_err(|e| sqlite(describe(&e)))?;
    let ours = match MIGRATIONS.run(&mut connection).await {
        Err(error) => Err(sqlite(error.to_string())),
        Ok(()) => check(&mut connection, path, workspace, clock).await,
    };
    match ours {
        Ok(()) => Ok(connection),
        Err(failure) => {
            connection.close().await.ok();
            Err(failure)
        }
    }
}

async fn check(
    connection: &mut SqliteConnection,
    path: &Path,
    workspace: &str,
    clock: &dyn Clock,
) -> Result<(), OpenFailure> {
    const WHOSE: &str = "SELECT format, workspace FROM ledger";
    const ADD: &str =
        "INSERT INTO ledger (one, format, workspace, created_at) VALUES (1, ?, ?, ?) ON CONFLICT DO NOTHING";
    let sqlite = |error: sqlx::Error| OpenFailure::Sqlite { path: path.to_owned(), reason: describe(&error) };
    let now = clock.now().timestamp_micros();
    // Read first: writing would wait for another process that is writing.
    if sqlx::query(WHOSE).fetch_optional(&mut *connection).await.map_err(sqlite)?.is_none() {
        sqlx::query(ADD).bind(FORMAT).bind(workspace).bind(now).execute(&mut *connection).await.map_err(sqlite)?;
    }
    let row = sqlx::query(WHOSE).fetch_one(connection).await.map_err(sqlite)?;
    let (format, found): (i64, String) = (row.try_get(0).map_err(sqlite)?, row.try_get(1).map_err(sqlite)?);
    if format > FORMAT {
        return Err(OpenFailure::TooNew { path: path.to_owned(), found: format });
    }
    if found != workspace {
        return Err(OpenFailure::OtherWorkspace { path: path.to_owned(), found, asked: workspace.to_owned() });
    }
    Ok(())
}
