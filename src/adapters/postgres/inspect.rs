//! A look at what guards the events in the database. Its pages and indexes are the server's own to check.

use sqlx::PgPool;

use super::failure::describe;

const GUARDS: &str = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'events'::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A')";

/// Triggers that are gone or switched off: whoever means to change an event has to do that first, and may forget to undo it.
pub(super) async fn inspect(pool: &PgPool) -> Result<Vec<String>, String> {
    let present: Vec<String> = sqlx::query_scalar(GUARDS).fetch_all(pool).await.map_err(|e| describe(&e))?;
    let wanted = ["events_are_dense", "events_are_not_changed", "events_are_not_removed"];
    let gone = wanted.iter().filter(|name| !present.iter().any(|there| there == *name));
    Ok(gone.map(|name| format!("the database: {name} is gone or switched off, which guarded the events")).collect())
}
