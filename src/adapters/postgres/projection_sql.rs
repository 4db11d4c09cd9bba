//! PostgreSQL's own versions of the read models' statements.

use std::sync::OnceLock;

use crate::projections::{
    Kind,
    statements::{Dialect, Shape, StatementBook},
};

/// The statements.
pub(super) fn book() -> &'static StatementBook {
    static BOOK: OnceLock<StatementBook> = OnceLock::new();
    // The database's own text order depends on its locale, and changes with system libraries.
    BOOK.get_or_init(|| StatementBook::written(&Dialect { tag: "postgres", text: "TEXT COLLATE \"C\"", read, write }))
}

/// Takes one text array per key column.
fn read(shape: &Shape<'_>) -> String {
    let keys = &shape.columns[..shape.keys];
    let arrays: Vec<String> = (1..=keys.len()).map(|at| format!("${at}::text[]")).collect();
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let wanted: Vec<String> = names.iter().map(|key| format!("kept.{key} = wanted.{key}")).collect();
    format!(
        "SELECT {} FROM unnest({}) AS wanted ({}) JOIN {} AS kept ON {}",
        shape.listed("kept."),
        arrays.join(", "),
        names.join(", "),
        shape.table,
        wanted.join(" AND ")
    )
}

/// Takes one array per column.
fn write(shape: &Shape<'_>) -> String {
    let array = |(at, kind): (usize, Kind)| match kind {
        Kind::Text => format!("${}::text[]", at + 1),
        Kind::Int => format!("${}::bigint[]", at + 1),
        Kind::Bool => format!("${}::boolean[]", at + 1),
    };
    let arrays: Vec<String> = shape.columns.iter().map(|column| column.kind).enumerate().map(array).collect();
    let (table, listed, arrays, rest) = (shape.table, shape.listed(""), arrays.join(", "), shape.or_replace());
    format!("INSERT INTO {table} ({listed}) SELECT * FROM unnest({arrays}) {rest}")
}

/// Whether the table of checkpoints exists.
pub(super) const CHECKPOINTS_TABLE_EXISTS: &str = "SELECT to_regclass('projection_checkpoints') IS NOT NULL";

/// Held while the table of checkpoints is created: `IF NOT EXISTS` fails if two do it at once. The number is ours in
/// every database.
pub(super) const CREATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7311142546839168868)";

/// Waits for checkpoint updates and prevents others: tables are created, dropped and renamed only with this lock. Taken
/// first, it makes the lock order the same everywhere. Queries are not blocked.
pub(super) const LOCK_TABLES: &str = "LOCK TABLE projection_checkpoints IN EXCLUSIVE MODE";

/// Prevents tables from being created, dropped and renamed until the transaction ends. Taken before the snapshot. Large
/// tables take their time.
pub(super) const BEGIN_TO_COMPARE: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; \
    SET LOCAL statement_timeout = 0; LOCK TABLE projection_checkpoints IN ROW SHARE MODE";

/// Locks these checkpoints for this transaction, in order, to avoid deadlocks.
pub(super) const LOCK_CHECKPOINTS: &str =
    "SELECT name, version, position FROM projection_checkpoints WHERE name = ANY($1) ORDER BY name FOR UPDATE";

/// Moves the locked checkpoints.
pub(super) const MOVE_CHECKPOINTS: &str = "UPDATE projection_checkpoints AS kept \
    SET position = moved.position, updated_at = $3 \
    FROM unnest($1::text[], $2::bigint[]) AS moved (name, position) WHERE kept.name = moved.name";

/// The index names in use.
pub(super) const INDEX_NAMES: &str = "SELECT indexname::text FROM pg_indexes WHERE schemaname = current_schema()";

pub(super) const TABLE_NAMES: &str = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()";
