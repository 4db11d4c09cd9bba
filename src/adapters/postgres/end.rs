//! Where the ledger ends in the database.

use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;

use super::{
    rows::{corrupt, unreadable},
    sql,
};
use crate::ports::event_store::Failure;

/// Number of events. Wakes waiters if there are more than known before.
pub(super) async fn stored_end(pool: &PgPool, known: &watch::Sender<u64>) -> Result<u64, Failure> {
    let end: i64 = sqlx::query_scalar(sql::END).fetch_one(pool).await.map_err(|e| unreadable(&e))?;
    let end = u64::try_from(end).map_err(|_| corrupt("the end", "positions are negative"))?;
    known.send_if_modified(|seen| std::mem::replace(seen, end.max(*seen)) < end);
    Ok(end)
}

/// The same, for the writer.
pub(super) async fn committed_end(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let end: i64 = sqlx::query_scalar(sql::END).fetch_one(connection).await?;
    Ok(u64::try_from(end).unwrap_or(0))
}
