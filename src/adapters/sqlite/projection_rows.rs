//! Converts rows of read models to JSON for writing, and from SQLite's rows.

use std::{fmt::Write as _, sync::Arc};

use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};

use super::failure::{WriteFailure, describe};
use crate::{
    domain::ids::Position,
    ports::projection_store::Failure,
    projections::{Kind, Row, StoredRow, Table, Value},
};

/// A JSON list of keys, each a list.
pub(super) fn keys_json<'a>(keys: impl Iterator<Item = &'a [String]>) -> String {
    let keys: Vec<&[String]> = keys.collect();
    serde_json::to_string(&keys).expect("lists of texts always serialise")
}

/// A JSON list of rows, each a list of its cells, its position and whether it is removed.
pub(super) fn rows_json<'a>(rows: impl Iterator<Item = &'a StoredRow>) -> String {
    let mut json = String::from("[");
    for row in rows {
        json.push_str(if json.len() > 1 { ",[" } else { "[" });
        for cell in &row.cells {
            push(&mut json, cell);
            json.push(',');
        }
        write!(json, "{},{}]", row.position, row.removed).expect("a String takes whatever is written");
    }
    json.push(']');
    json
}

fn push(json: &mut String, cell: &Value) {
    match cell {
        Value::Null => json.push_str("null"),
        Value::Bool(true) => json.push_str("true"),
        Value::Bool(false) => json.push_str("false"),
        Value::Int(number) => write!(json, "{number}").expect("a String takes whatever is written"),
        Value::Text(text) => json.push_str(&serde_json::to_string(text).expect("a text always serialises")),
    }
}

/// A row with the table's columns in order, then `position` and `removed`.
pub(super) fn stored(name: &str, table: &Table, row: &SqliteRow) -> Result<StoredRow, Failure> {
    let damaged = |error: sqlx::Error| corrupt(name, &error);
    let mut cells = Vec::with_capacity(table.columns.len());
    for (at, column) in table.columns.iter().enumerate() {
        cells.push(match column.kind {
            Kind::Text => Value::from(row.try_get::<Option<String>, _>(at).map_err(damaged)?),
            Kind::Int => Value::from(row.try_get::<Option<i64>, _>(at).map_err(damaged)?),
            Kind::Bool => Value::from(row.try_get::<Option<bool>, _>(at).map_err(damaged)?),
        });
    }
    let at = cells.len();
    let position: i64 = row.try_get(at).map_err(damaged)?;
    let removed: bool = row.try_get(at + 1).map_err(damaged)?;
    let position = u64::try_from(position)
        .map_err(|_| Failure::Corrupt { table: name.to_owned(), reason: "a position is negative".to_owned() })?;
    Ok(StoredRow { position: Position(position), removed, cells })
}

/// Rows of any statement, with its column names.
pub(super) fn rows_from(name: &str, rows: &[SqliteRow]) -> Result<Vec<Row>, Failure> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let names: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter()
        .map(|row| {
            let values: Result<Vec<Value>, sqlx::Error> = (0..names.len()).map(|at| value(row, at)).collect();
            Ok(Row::new(Arc::clone(&names), values.map_err(|error| corrupt(name, &error))?))
        })
        .collect()
}

fn value(row: &SqliteRow, at: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    if raw.type_info().name() == "TEXT" {
        return Ok(Value::Text(row.try_get(at)?));
    }
    // SQLite stores booleans as numbers; only the column's declaration tells.
    match row.column(at).type_info().name() {
        "BOOLEAN" => Ok(Value::Bool(row.try_get(at)?)),
        _ => Ok(Value::Int(row.try_get(at)?)),
    }
}

/// A cell that does not match its column.
pub(super) fn corrupt(table: &str, error: &sqlx::Error) -> Failure {
    Failure::Corrupt { table: table.to_owned(), reason: super::failure::describe(error) }
}

/// An error of SQLite: damage, or something to retry.
pub(super) fn failure(error: &sqlx::Error) -> Failure {
    match WriteFailure::of(error) {
        WriteFailure::Damaged(reason) => Failure::Corrupt { table: "the file".to_owned(), reason },
        WriteFailure::Busy | WriteFailure::Refused(_) | WriteFailure::Broken(_) => {
            Failure::Unavailable(describe(error))
        }
    }
}
