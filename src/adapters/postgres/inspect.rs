//! Checks the triggers that protect events in the database. Pages and indexes are checked by the server itself.

use sqlx::PgPool;

use super::failure::describe;

const GUARDS: &str = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'events'::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A')";

/// Missing or disabled triggers: changing an event requires that first, and undoing it may be forgotten.
pub(super) async fn inspect(pool: &PgPool) -> Result<Vec<String>, String> {
    let present: Vec<String> = sqlx::query_scalar(GUARDS).fetch_all(pool).await.map_err(|e| describe(&e))?;
    let wanted = ["events_are_dense", "events_are_not_changed", "events_are_not_removed"];
    let missing = wanted.iter().filter(|name| !present.iter().any(|found| found == *name));
    Ok(missing
        .map(|name| format!("the database: trigger {name}, which protects the events, is missing or disabled"))
        .collect())
}
