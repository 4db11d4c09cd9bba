//! Converts rows of read models to and from PostgreSQL.

use std::sync::Arc;

use sqlx::{
    Column as _, Postgres, Row as _, TypeInfo as _, ValueRef as _, postgres::PgArguments, postgres::PgRow, query::Query,
};

use super::failure::{WriteFailure, describe};
use crate::{
    domain::ids::Position,
    ports::projection_store::Failure,
    projections::{Kind, Row, StoredRow, Table, Value},
};

type Statement<'a> = Query<'a, Postgres, PgArguments>;

/// Binds one array per key column.
pub(super) fn with_keys<'a>(mut statement: Statement<'a>, table: &Table, keys: &[&'a [String]]) -> Statement<'a> {
    for at in 0..table.keys {
        let column: Vec<&str> = keys.iter().filter_map(|key| key.get(at)).map(String::as_str).collect();
        statement = statement.bind(column);
    }
    statement
}

/// Binds one array per column of the table, then positions and removal flags.
pub(super) fn with_rows<'a>(mut statement: Statement<'a>, table: &Table, rows: &'a [StoredRow]) -> Statement<'a> {
    for (at, column) in table.columns.iter().enumerate() {
        let cells = rows.iter().map(|row| &row.cells[at]);
        statement = match column.kind {
            Kind::Text => statement.bind(cells.map(Value::as_text).collect::<Vec<_>>()),
            Kind::Int => statement.bind(cells.map(as_int).collect::<Vec<_>>()),
            Kind::Bool => statement.bind(cells.map(as_bool).collect::<Vec<_>>()),
        };
    }
    let positions: Vec<i64> = rows.iter().map(|row| i64::try_from(row.position.0).unwrap_or(i64::MAX)).collect();
    let removed: Vec<bool> = rows.iter().map(|row| row.removed).collect();
    statement.bind(positions).bind(removed)
}

fn as_int(cell: &Value) -> Option<i64> {
    match cell {
        Value::Int(number) => Some(*number),
        Value::Null | Value::Bool(_) | Value::Text(_) => None,
    }
}

fn as_bool(cell: &Value) -> Option<bool> {
    match cell {
        Value::Bool(flag) => Some(*flag),
        Value::Null | Value::Int(_) | Value::Text(_) => None,
    }
}

/// A row with the table's columns in order, then `position` and `removed`.
pub(super) fn stored(name: &str, table: &Table, row: &PgRow) -> Result<StoredRow, Failure> {
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
pub(super) fn rows_from(name: &str, rows: &[PgRow]) -> Result<Vec<Row>, Failure> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let names: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter()
        .map(|row| {
            let values: Result<Vec<Value>, sqlx::Error> = (0..names.len()).map(|at| value(row, at)).collect();
            Ok(Row::new(Arc::clone(&names), values.map_err(|error| corrupt(name, &error))?))
        })
        .collect()
}

fn value(row: &PgRow, at: usize) -> Result<Value, sqlx::Error> {
    if row.try_get_raw(at)?.is_null() {
        return Ok(Value::Null);
    }
    match row.column(at).type_info().name() {
        "BOOL" => Ok(Value::Bool(row.try_get(at)?)),
        "INT8" => Ok(Value::Int(row.try_get(at)?)),
        _ => Ok(Value::Text(row.try_get(at)?)),
    }
}

/// A cell that does not match its column.
pub(super) fn corrupt(table: &str, error: &sqlx::Error) -> Failure {
    Failure::Corrupt { table: table.to_owned(), reason: describe(error) }
}

/// An error of PostgreSQL: damage, or something to retry.
pub(super) fn failure(error: &sqlx::Error) -> Failure {
    match WriteFailure::of(error) {
        WriteFailure::Damaged(reason) => Failure::Corrupt { table: "the database".to_owned(), reason },
        WriteFailure::Busy | WriteFailure::Refused(_) | WriteFailure::Broken(_) => {
            Failure::Unavailable(describe(error))
        }
    }
}
