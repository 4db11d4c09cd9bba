//! Opens a ledger's database: creates or migrates its tables, and refuses foreign databases.

use std::sync::Arc;

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tokio::sync::watch;

use super::{
    address::Server,
    end::committed_end,
    event_store::PostgresLedger,
    failure::{OpenFailure, describe},
    listen::Listener,
    migrations::{FORMAT, MIGRATIONS},
    session, sql,
    writer::Writer,
};
use crate::ports::clock::Clock;

/// While opening, a migration may take long, and one run by another process is waited for.
const PATIENT: &str = "SET statement_timeout = 0; SET lock_timeout = '120s'";

/// Options for opening a ledger.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database. It must not contain anything else's ledger.
    pub server: Server,
    /// The workspace that owns the ledger, permanently.
    pub workspace: String,
}

/// A database that was checked, locked until it is opened or this is dropped: two programs that start
/// at once with an empty database must not both create a ledger in it.
#[derive(Debug)]
pub struct ExaminedServer {
    server: Server,
    connection: PgConnection,
    is_new: bool,
}

impl PostgresLedger {
    /// Whether a database contains a ledger. Changes nothing.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn exists(server: &Server) -> Result<bool, OpenFailure> {
        let failed = |error: sqlx::Error| open_failure(server, &error);
        let mut connection = session::connect(server).await.map_err(failed)?;
        let exists = has_ledger(&mut connection).await.map_err(failed);
        connection.close().await.ok();
        exists
    }

    /// Checks a database, so that the caller knows whether the ledger will be a new one.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn find(server: Server) -> Result<ExaminedServer, OpenFailure> {
        let failed = |error: sqlx::Error| open_failure(&server, &error);
        let mut connection = session::connect(&server).await.map_err(failed)?;
        let standing = session::server_state(&mut connection).await.map_err(failed)?;
        if let Some(why) = session::objection(&server, &standing) {
            connection.close().await.ok();
            return Err(OpenFailure::Unfit { server: server.to_string(), why });
        }
        if !standing.unsafe_settings.is_empty() {
            let settings = standing.unsafe_settings.join(", ");
            tracing::warn!("With {settings}, {server} may lose acknowledged events, as accepted in the configuration");
        }
        connection.execute(PATIENT).await.map_err(failed)?;
        connection.execute(sql::OPEN_LOCK).await.map_err(failed)?;
        let is_new = !has_ledger(&mut connection).await.map_err(failed)?;
        Ok(ExaminedServer { server, connection, is_new })
    }

    /// Opens the ledger, or creates it. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open(options: Options, clock: Arc<dyn Clock>) -> Result<Self, OpenFailure> {
        Self::find(options.server).await?.open(&options.workspace, clock).await
    }
}

impl ExaminedServer {
    /// Whether it contains no ledger yet.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Opens the ledger of `workspace`, or creates it. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open(self, workspace: &str, clock: Arc<dyn Clock>) -> Result<PostgresLedger, OpenFailure> {
        let Self { server, mut connection, .. } = self;
        let opened = prepared(&server, &mut connection, workspace, clock.as_ref()).await;
        // The lock ends with the session.
        connection.close().await.ok();
        opened?;
        let failed = |reason: String| OpenFailure::Postgres { server: server.to_string(), reason };
        let mut connection = session::writer(&server).await.map_err(failed)?;
        let end = watch::Sender::new(committed_end(&mut connection).await.map_err(|e| open_failure(&server, &e))?);
        let written = watch::Sender::new(0);
        let pool = session::pool(&server);
        let listening = Arc::new(Listener::start(&pool, &end, written.subscribe(), clock.event_id().to_string()));
        let writer = Writer::start(server.clone(), connection, end.clone(), written, Arc::clone(&clock));
        tracing::info!(ledger.end = *end.borrow(), "Opened the ledger {server} at position {}", *end.borrow());
        Ok(PostgresLedger { server, workspace: workspace.into(), pool, writer, end, listening, clock })
    }
}

fn open_failure(server: &Server, error: &sqlx::Error) -> OpenFailure {
    OpenFailure::Postgres { server: server.to_string(), reason: describe(error) }
}

async fn has_ledger(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    const TABLE: &str = "SELECT to_regclass('ledger') IS NOT NULL";
    const ROW: &str = "SELECT EXISTS (SELECT FROM ledger)";
    Ok(sqlx::query_scalar(TABLE).fetch_one(&mut *connection).await?
        && sqlx::query_scalar(ROW).fetch_one(connection).await?)
}

/// Creates or migrates the tables if needed, and checks the workspace.
async fn prepared(
    server: &Server,
    connection: &mut PgConnection,
    workspace: &str,
    clock: &dyn Clock,
) -> Result<(), OpenFailure> {
    const WHOSE: &str = "SELECT format, workspace FROM ledger";
    const ADD: &str =
        "INSERT INTO ledger (one, format, workspace, created_at) VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING";
    let failed = |error: sqlx::Error| open_failure(server, &error);
    if !up_to_date(connection).await.map_err(failed)? {
        let reason = |error: sqlx::migrate::MigrateError| error.to_string();
        let migrated = MIGRATIONS.run(&mut *connection).await.map_err(reason);
        migrated.map_err(|reason| OpenFailure::Postgres { server: server.to_string(), reason })?;
    }
    if sqlx::query(WHOSE).fetch_optional(&mut *connection).await.map_err(failed)?.is_none() {
        let now = clock.now().timestamp_micros();
        let add = sqlx::query(ADD).bind(FORMAT).bind(workspace).bind(now);
        add.execute(&mut *connection).await.map_err(failed)?;
    }
    let row = sqlx::query(WHOSE).fetch_one(connection).await.map_err(failed)?;
    let (format, found): (i64, String) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    if format > FORMAT {
        return Err(OpenFailure::TooNew { server: server.to_string(), found: format });
    }
    if found != workspace {
        return Err(OpenFailure::OtherWorkspace { server: server.to_string(), found, asked: workspace.to_owned() });
    }
    Ok(())
}

/// Whether exactly this program's migrations were run. Checked first, because running the migrator needs the
/// right to create tables even without new migrations, which a running service should not have.
async fn up_to_date(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    const TABLE: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
    const RUN: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    if !sqlx::query_scalar::<_, bool>(TABLE).fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    let run: Vec<(i64, Vec<u8>)> = sqlx::query_as(RUN).fetch_all(connection).await?;
    let known = MIGRATIONS.iter().map(|migration| (migration.version, migration.checksum.to_vec()));
    Ok(known.eq(run))
}
