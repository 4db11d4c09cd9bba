//! Checks the file below the ledger: pages, indexes, and the triggers that protect events.

use std::{collections::BTreeMap, path::PathBuf};

use rusqlite::Connection;

use super::{migrations::MIGRATIONS, scan::Scanner};
use crate::ports::event_store::Failure;

/// Maximum number of findings from SQLite's own check; more usually repeat the same damage.
const FINDINGS_MAX: i64 = 20;

const OBJECTS: &str = "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'events' AND sql IS NOT NULL";

/// Everything that is wrong with the file.
///
/// On a separate connection, so that readers need not wait.
pub(super) async fn inspect(path: PathBuf) -> Result<Vec<String>, Failure> {
    Scanner::new(path)
        .blocking(|connection| {
            let mut found = guards(connection)?;
            found.extend(pages(connection)?);
            Ok(Ok(found))
        })
        .await
}

/// `integrity_check` reads every page, and compares every index with its table.
fn pages(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    connection.pragma(None, "integrity_check", FINDINGS_MAX, |row| {
        let result: String = row.get(0)?;
        if result != "ok" {
            found.push(format!("the file: {result}"));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The events table and triggers, compared with the migrations. Changing an event requires removing a
/// trigger first, and putting it back may be forgotten.
fn guards(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(OBJECTS)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let present: BTreeMap<String, String> = rows.collect::<Result<_, _>>()?;
    let migrations: String = MIGRATIONS.iter().map(|migration| migration.sql.as_str()).collect();
    let mut found = Vec::new();
    for name in ["events", "events_are_dense", "events_are_not_changed", "events_are_not_removed"] {
        match present.get(name) {
            None => found.push(format!("the file: trigger {name}, which protects the events, is missing")),
            Some(sql) if !migrations.contains(sql.as_str()) => {
                found.push(format!("the file: {name}, which protects the events, was changed"));
            }
            Some(_) => {}
        }
    }
    let strange = present.keys().filter(|name| *name != "events" && !name.starts_with("events_"));
    found.extend(strange.map(|name| format!("the file: {name} was added to the events table")));
    Ok(found)
}
