//! How far each copy of a read model is filled. Table: `projection_checkpoints`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    projection_rows::{corrupt, failure},
    projection_sql::book,
};
use crate::{
    domain::ids::Position,
    ports::projection_store::{Checkpoint, Failure},
    projections::{
        Projection,
        statements::{CHECKPOINT, CHECKPOINTS, CHECKPOINTS_TABLE, PUT_CHECKPOINT},
    },
    record::envelope::write_time,
};

/// The checkpoint of every copy of a table.
pub(super) async fn checkpoints(connection: &mut PgConnection) -> Result<Vec<Checkpoint>, Failure> {
    let rows = sqlx::query(CHECKPOINTS).fetch_all(connection).await.map_err(|e| failure(&e))?;
    rows.iter().filter_map(|row| checkpoint(row).transpose()).collect()
}

fn checkpoint(row: &PgRow) -> Result<Option<Checkpoint>, Failure> {
    let read = || -> Result<(String, i64, i64, String), sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
    };
    let (name, version, position, updated_at) = read().map_err(|error| corrupt(CHECKPOINTS_TABLE, &error))?;
    Checkpoint::from_row(CHECKPOINTS_TABLE, book(), &name, version, position, &updated_at)
}

/// The position of a copy.
pub(super) async fn position_of(connection: &mut PgConnection, table: &str) -> Result<Option<Position>, Failure> {
    let found = sqlx::query_scalar(CHECKPOINT).bind(table).fetch_optional(connection).await;
    let position: Option<i64> = found.map_err(|e| failure(&e))?;
    Ok(position.map(|position| Position(u64::try_from(position).unwrap_or(0))))
}

/// Writes the checkpoint of a copy.
pub(super) async fn put_checkpoint(
    connection: &mut PgConnection,
    table: &str,
    projection: &Projection,
    position: Position,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let put = sqlx::query(PUT_CHECKPOINT)
        .bind(table)
        .bind(i64::from(projection.version))
        .bind(number(position))
        .bind(write_time(now));
    put.execute(connection).await.map_err(|e| failure(&e)).map(|_| ())
}

/// A position as the database keeps it.
pub(super) fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}
