//! The read models' statements: those named in `projections/<name>.sql`, and those built once from a table's columns.
//!
//! sqlx takes only `&'static str`, so that no value can become part of a statement. What is built here is built from
//! constants alone, once per process, and leaked: the one place where that is done. Its number is bounded by the tables.

use std::{collections::HashMap, sync::OnceLock};

use crate::{
    ports::projection_store::Shelf,
    projections::{ALL, Projection},
};

/// The files.
const FILES: [(&str, &str); 12] = [
    ("bookings", include_str!("../../../projections/bookings.sql")),
    ("links", include_str!("../../../projections/links.sql")),
    ("entries", include_str!("../../../projections/entries.sql")),
    ("attempts", include_str!("../../../projections/attempts.sql")),
    ("open_commands", include_str!("../../../projections/open_commands.sql")),
    ("dead_letters", include_str!("../../../projections/dead_letters.sql")),
    ("connections", include_str!("../../../projections/connections.sql")),
    ("calendars", include_str!("../../../projections/calendars.sql")),
    ("channels", include_str!("../../../projections/channels.sql")),
    ("cursors", include_str!("../../../projections/cursors.sql")),
    ("approvals", include_str!("../../../projections/approvals.sql")),
    ("deliveries", include_str!("../../../projections/deliveries.sql")),
];

/// Indexes keep their names when a table is renamed, so each copy takes the first set of names that is free.
pub(super) const INDEX_SETS: [&str; 3] = ["a", "b", "c"];

/// What is built for one copy of a table.
pub(super) struct Built {
    /// The table's name.
    pub table: &'static str,
    /// Creates it, by set of index names.
    pub create: [&'static str; 3],
    pub drop: &'static str,
    /// Rows whose keys are in a JSON list of lists.
    pub read: &'static str,
    /// Inserts or replaces rows from a JSON list of lists.
    pub write: &'static str,
    /// How many rows of the live copy and this one differ.
    pub differing: &'static str,
    /// Keys of rows that differ, ascending.
    pub differing_keys: &'static str,
    pub count: &'static str,
}

/// Puts the next copy in the live one's place.
pub(super) fn rename(projection: &Projection) -> &'static str {
    static RENAMES: OnceLock<HashMap<&str, &'static str>> = OnceLock::new();
    let renames = RENAMES.get_or_init(|| {
        let rename = |name: &'static str| leak(format!("ALTER TABLE {name}{} RENAME TO {name}", Shelf::Next.suffix()));
        ALL.into_iter().map(|projection| (projection.name, rename(projection.name))).collect()
    });
    renames[projection.name]
}

/// The statements of one copy.
pub(super) fn built(projection: &Projection, shelf: Shelf) -> &'static Built {
    static BUILT: OnceLock<HashMap<(&str, Shelf), Built>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let shelves = [Shelf::Live, Shelf::Next, Shelf::Check];
        ALL.into_iter()
            .flat_map(|projection| shelves.map(|shelf| ((projection.name, shelf), build(projection, shelf))))
            .collect()
    });
    &built[&(projection.name, shelf)]
}

/// The statement of that name in that projection's file.
pub(super) fn named(projection: &str, name: &str) -> &'static str {
    static NAMED: OnceLock<HashMap<(&str, &str), &'static str>> = OnceLock::new();
    let named = NAMED.get_or_init(|| {
        FILES
            .into_iter()
            .flat_map(|(file, text)| sections(text).map(move |(name, statement)| ((file, name), statement)))
            .collect()
    });
    named.get(&(projection, name)).copied().expect("the adapter asks only for statements that its files name")
}

/// `-- name: list`, then the statement up to the next name.
fn sections(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.split("-- name: ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .map(|(name, rest)| (name.trim(), rest))
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn build(projection: &Projection, shelf: Shelf) -> Built {
    let name = projection.name;
    let table: &'static str = leak(format!("{name}{}", shelf.suffix()));
    let columns: Vec<&str> = projection.table.columns.iter().map(|c| c.name).chain(["position", "removed"]).collect();
    let keys: Vec<&str> = projection.table.key_columns().iter().map(|c| c.name).collect();
    let listed = columns.join(", ");
    let key = keys.join(", ");
    let wanted: Vec<String> =
        keys.iter().enumerate().map(|(at, key)| format!("kept.{key} = wanted.value ->> {at}")).collect();
    let kept: Vec<String> = columns.iter().map(|column| format!("kept.{column}")).collect();
    let values: Vec<String> = (0..columns.len()).map(|at| format!("value ->> {at}")).collect();
    let set: Vec<String> = columns
        .iter()
        .filter(|column| !keys.contains(column))
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let except = |one: &str, two: &str| {
        format!("SELECT {key} FROM (SELECT {listed} FROM {one} EXCEPT SELECT {listed} FROM {two})")
    };
    let both = format!("{} UNION {}", except(name, table), except(table, name));
    Built {
        table,
        create: INDEX_SETS.map(|set| {
            leak(
                named(name, "create")
                    .replace(&format!("TABLE {name} "), &format!("TABLE {table} "))
                    .replace(&format!("INDEX {name}_"), &format!("INDEX {set}_{name}_"))
                    .replace(&format!(" ON {name} "), &format!(" ON {table} ")),
            )
        }),
        drop: leak(format!("DROP TABLE IF EXISTS {table}")),
        // The cross join keeps SQLite from scanning the table for each key.
        read: leak(format!(
            "SELECT {} FROM json_each($1) AS wanted CROSS JOIN {table} AS kept ON {}",
            kept.join(", "),
            wanted.join(" AND ")
        )),
        write: leak(format!(
            "INSERT INTO {table} ({listed}) SELECT {} FROM json_each($1) WHERE TRUE \
             ON CONFLICT ({key}) DO UPDATE SET {} WHERE {table}.position < excluded.position",
            values.join(", "),
            set.join(", ")
        )),
        differing: leak(format!("SELECT count(*) FROM ({both})")),
        differing_keys: leak(format!("SELECT * FROM ({both}) ORDER BY {key} LIMIT $1")),
        count: leak(format!("SELECT count(*) FROM {name}")),
    }
}

/// Whether a set of index names is taken.
pub(super) const INDEX_NAMES: &str = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";

pub(super) const TABLE_NAMES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";

pub(super) const CREATE_CHECKPOINTS: &str = "CREATE TABLE IF NOT EXISTS projection_checkpoints (
    name       TEXT NOT NULL PRIMARY KEY,
    version    BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    updated_at TEXT NOT NULL
)";

pub(super) const CHECKPOINTS: &str = "SELECT name, version, position, updated_at FROM projection_checkpoints";

pub(super) const CHECKPOINT: &str = "SELECT position FROM projection_checkpoints WHERE name = $1";

pub(super) const PUT_CHECKPOINT: &str = "INSERT INTO projection_checkpoints (name, version, position, updated_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE \
    SET version = excluded.version, position = excluded.position, updated_at = excluded.updated_at";

/// Compare and set: changes nothing where the projection stands elsewhere.
pub(super) const MOVE_CHECKPOINT: &str =
    "UPDATE projection_checkpoints SET position = $1, updated_at = $2 WHERE name = $3 AND position = $4";

pub(super) const DROP_CHECKPOINT: &str = "DELETE FROM projection_checkpoints WHERE name = $1";
