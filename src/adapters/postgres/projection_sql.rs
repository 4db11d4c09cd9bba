//! How PostgreSQL spells the read models' statements, where it has its own way.

use std::sync::OnceLock;

use crate::projections::{
    Kind,
    statements::{Dialect, Shape, StatementBook},
};

/// The statements.
pub(super) fn book() -> &'static StatementBook {
    static BOOK: OnceLock<StatementBook> = OnceLock::new();
    // A database's own order of texts depends on its locale, and changes with the system's libraries.
    BOOK.get_or_init(|| StatementBook::written(&Dialect { tag: "postgres", text: "TEXT COLLATE \"C\"", read, write }))
}

/// Takes one array of texts per column of the key.
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

/// Whether the table of checkpoints is there.
pub(super) const CHECKPOINTS_THERE: &str = "SELECT to_regclass('projection_checkpoints') IS NOT NULL";

/// Held while the table of checkpoints is made: `IF NOT EXISTS` fails where two make it at once. The number is ours in
/// every database that we use.
pub(super) const LOCK_TO_MAKE: &str = "SELECT pg_advisory_xact_lock(7311142546839168868)";

/// Waits for whoever moves a checkpoint, and keeps everybody from it: tables are made, dropped and renamed only so. Taken
/// first, it makes the order of locks the same everywhere. Who asks a question is not held up by it.
pub(super) const LOCK_TABLES: &str = "LOCK TABLE projection_checkpoints IN EXCLUSIVE MODE";

/// Keeps tables from being made, dropped and renamed until the transaction ends. Before the snapshot is taken. Large
/// tables take their time.
pub(super) const BEGIN_TO_COMPARE: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; \
    SET LOCAL statement_timeout = 0; LOCK TABLE projection_checkpoints IN ROW SHARE MODE";

/// Keeps these checkpoints for this transaction. In order, so that two of them cannot wait for each other.
pub(super) const LOCK_CHECKPOINTS: &str =
    "SELECT name, version, position FROM projection_checkpoints WHERE name = ANY($1) ORDER BY name FOR UPDATE";

/// Moves the checkpoints that are kept.
pub(super) const MOVE_CHECKPOINTS: &str = "UPDATE projection_checkpoints AS kept \
    SET position = moved.position, updated_at = $3 \
    FROM unnest($1::text[], $2::bigint[]) AS moved (name, position) WHERE kept.name = moved.name";

/// Whether a set of index names is taken.
pub(super) const INDEX_NAMES: &str = "SELECT indexname::text FROM pg_indexes WHERE schemaname = current_schema()";

pub(super) const TABLE_NAMES: &str = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()";
