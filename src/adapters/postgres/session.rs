//! Settings of sessions, and whether the server is durable.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Executor as _, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{address::Server, failure::describe};

/// Settings of every session, whatever the database's defaults are.
///
/// Read committed, because the writer reads after it got its lock, and must see what was committed meanwhile.
/// A process that stalls in a transaction, or whose machine disappeared, loses its session: others wait for its lock.
/// `synchronous_commit` is fixed to the value that was checked, so that a later change of the defaults cannot lower it.
pub(super) const SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; \
     SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'; \
     SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
     SET client_min_messages = 'error'; \
     SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)";

/// Time limit for connecting.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Maximum number of connections per process, not counting the writer's.
const POOL_MAX: u32 = 8;

/// How long a reader waits for a connection.
const POOL_WAIT_MAX: Duration = Duration::from_secs(5);

/// The oldest version that is tested.
pub(super) const VERSION_MIN: i32 = 150_000;

/// A session that may write events.
pub(super) async fn connect(server: &Server) -> Result<PgConnection, sqlx::Error> {
    let connected = tokio::time::timeout(CONNECT_MAX, set_up(&server.options)).await;
    connected.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

async fn set_up(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(SETTINGS).await?;
    Ok(connection)
}

/// Sessions for readers and for the small tables. Opened when needed.
pub(super) fn pool(server: &Server) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POOL_MAX)
        .acquire_timeout(POOL_WAIT_MAX)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SETTINGS).await.map(drop) }))
        .connect_lazy_with(server.options.clone())
}

/// Properties of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerState {
    /// Version number, such as 150018.
    pub version: i32,
    /// Whether it is a standby.
    pub standby: bool,
    /// Whether pages have checksums.
    pub checksums: bool,
    /// Whether this session is encrypted.
    pub encrypted: bool,
    /// Settings with which acknowledged events may be lost, as `name = value`.
    pub unsafe_settings: Vec<String>,
}

/// Settings with which an acknowledged commit survives a server crash and a power failure.
const SAFE: [(&str, &[&str]); 4] = [
    ("fsync", &["on"]),
    ("full_page_writes", &["on"]),
    ("synchronous_commit", &["on", "remote_apply"]),
    // After a failed fsync the server must not retry and believe the second result.
    ("data_sync_retry", &["off"]),
];

pub(super) async fn server_state(connection: &mut PgConnection) -> Result<ServerState, sqlx::Error> {
    const ASK: &str = "SELECT current_setting('server_version_num')::integer, pg_is_in_recovery(), \
         current_setting('data_checksums') = 'on', \
         coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)";
    const SETTING: &str = "SELECT current_setting($1)";
    let row = sqlx::query(ASK).fetch_one(&mut *connection).await?;
    let mut unsafe_settings = Vec::new();
    for (name, safe) in SAFE {
        let value: String = sqlx::query_scalar(SETTING).bind(name).fetch_one(&mut *connection).await?;
        if !safe.contains(&value.as_str()) {
            unsafe_settings.push(format!("{name} = {value}"));
        }
    }
    Ok(ServerState {
        version: row.try_get(0)?,
        standby: row.try_get(1)?,
        checksums: row.try_get(2)?,
        encrypted: row.try_get(3)?,
        unsafe_settings,
    })
}

/// Why this server is not suitable for a ledger; `None` if it is.
pub(super) fn objection(server: &Server, standing: &ServerState) -> Option<String> {
    if standing.version < VERSION_MIN {
        let (found, least) = (standing.version / 10_000, VERSION_MIN / 10_000);
        return Some(format!("it is PostgreSQL {found}; {least} or later is needed"));
    }
    if standing.standby {
        return Some("it is a standby server: use the address of the primary".to_owned());
    }
    if !standing.unsafe_settings.is_empty() && !server.unsafe_accepted {
        let settings = standing.unsafe_settings.join(", ");
        return Some(format!(
            "with {settings} it may lose acknowledged events: change these settings, or accept the risk by \
             ?unsafe_settings=accepted in the address"
        ));
    }
    None
}

/// A session for the writer, on a suitable server.
pub(super) async fn writer(server: &Server) -> Result<PgConnection, String> {
    let mut connection = connect(server).await.map_err(|e| describe(&e))?;
    let standing = server_state(&mut connection).await.map_err(|e| describe(&e))?;
    match objection(server, &standing) {
        Some(objection) => Err(objection),
        None => Ok(connection),
    }
}
