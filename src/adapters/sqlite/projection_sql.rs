//! SQLite's own versions of the read models' statements.

use std::sync::OnceLock;

use crate::projections::statements::{Dialect, Shape, StatementBook};

/// The statements.
pub(super) fn book() -> &'static StatementBook {
    static BOOK: OnceLock<StatementBook> = OnceLock::new();
    BOOK.get_or_init(|| StatementBook::written(&Dialect { tag: "sqlite", text: "TEXT", read, write }))
}

/// Takes a JSON list of keys, each a list.
fn read(shape: &Shape<'_>) -> String {
    let keys = shape.columns.iter().take(shape.keys).enumerate();
    let wanted: Vec<String> = keys.map(|(at, key)| format!("kept.{} = wanted.value ->> {at}", key.name)).collect();
    // The cross join prevents SQLite from scanning the table for each key.
    format!(
        "SELECT {} FROM json_each($1) AS wanted CROSS JOIN {} AS kept ON {}",
        shape.listed("kept."),
        shape.table,
        wanted.join(" AND ")
    )
}

/// Takes a JSON list of rows, each a list.
fn write(shape: &Shape<'_>) -> String {
    let values: Vec<String> = (0..shape.columns.len()).map(|at| format!("value ->> {at}")).collect();
    let (table, listed, values, rest) = (shape.table, shape.listed(""), values.join(", "), shape.or_replace());
    // Without WHERE, SQLite would parse ON as part of a join.
    format!("INSERT INTO {table} ({listed}) SELECT {values} FROM json_each($1) WHERE TRUE {rest}")
}

/// The index names in use.
pub(super) const INDEX_NAMES: &str = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";

pub(super) const TABLE_NAMES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";

/// Compare and set: changes nothing if the checkpoint has moved, or belongs to another definition.
pub(super) const MOVE_CHECKPOINT: &str = "UPDATE projection_checkpoints SET position = $1, updated_at = $2 \
    WHERE name = $3 AND position = $4 AND version = $5";
