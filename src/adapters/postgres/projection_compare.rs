//! Compares two copies of a table inside PostgreSQL.

use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    projection_checkpoints::position_of,
    projection_rows::{corrupt, failure, stored, with_keys},
    projection_sql::book,
};
use crate::{
    ports::projection_store::{Comparison, Difference, Failure, RowDifference, TableCopy},
    projections::{Projection, StoredRow, Table, statements::Statements},
};

/// Compares the live copy with another one, as seen by the transaction of `connection`.
pub(super) async fn compare_tables(
    connection: &mut PgConnection,
    projection: &'static Projection,
    table_copy: TableCopy,
    examples: usize,
) -> Result<Comparison, Failure> {
    let (live, other) = (book().copy(projection, TableCopy::Live), book().copy(projection, table_copy));
    let missing = || Failure::Moved { projection: projection.name, stored: None };
    let at = position_of(connection, live.table).await?.ok_or_else(missing)?;
    let other_at = position_of(connection, other.table).await?.ok_or_else(missing)?;
    let mut found = Comparison {
        live: at,
        other: other_at,
        rows: count(connection, live.count).await?,
        differing: 0,
        examples: Vec::new(),
    };
    if at != other_at {
        return Ok(found);
    }
    found.differing = count(connection, other.differing).await?;
    for key in keys(connection, &projection.table, other, examples).await? {
        let one = row(connection, &projection.table, live, &key).await?;
        let two = row(connection, &projection.table, other, &key).await?;
        let what = match (one, two) {
            (Some(one), Some(two)) => RowDifference::Columns(projection.table.differing(&one, &two)),
            (Some(_), None) => RowDifference::OnlyInLive,
            (None, _) => RowDifference::MissingInLive,
        };
        found.examples.push(Difference { key, what });
    }
    Ok(found)
}

async fn count(connection: &mut PgConnection, statement: &'static str) -> Result<u64, Failure> {
    let count: i64 = sqlx::query_scalar(statement).fetch_one(connection).await.map_err(|e| failure(&e))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

async fn keys(
    connection: &mut PgConnection,
    table: &Table,
    other: &Statements,
    examples: usize,
) -> Result<Vec<Vec<String>>, Failure> {
    let limit = i64::try_from(examples).unwrap_or(i64::MAX);
    let rows = sqlx::query(other.differing_keys).bind(limit).fetch_all(connection).await.map_err(|e| failure(&e))?;
    let key = |row: &PgRow| (0..table.keys).map(|at| row.try_get(at)).collect();
    rows.iter().map(key).collect::<Result<_, _>>().map_err(|error| corrupt(other.table, &error))
}

async fn row(
    connection: &mut PgConnection,
    table: &Table,
    copy: &Statements,
    key: &[String],
) -> Result<Option<StoredRow>, Failure> {
    let wanted = with_keys(sqlx::query(copy.read), table, &[key]);
    let row = wanted.fetch_optional(connection).await.map_err(|e| failure(&e))?;
    row.map(|row| stored(copy.table, table, &row)).transpose()
}
