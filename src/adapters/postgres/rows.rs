//! Rows of `events`: written after judging, and read strictly. A row that the writer would not write is damage.

use sqlx::{Decode, Postgres, Row as _, Type, postgres::PgArguments, postgres::PgRow, query::Query};
use uuid::Uuid;

use super::{failure::WriteFailure, sql};
use crate::{
    domain::ids::{CorrelationId, EventId, Position, Version},
    ledger::grouping::PlacedRow,
    ports::event_store::Failure,
    record::{
        envelope::{Actor, NewEvent, Origin, StoredEvent},
        stream::StreamName,
    },
};

/// The insert of `rows`, the first at position `first`: one array per column.
pub(super) fn insert<'q>(first: u64, rows: &'q [PlacedRow<'_>]) -> Query<'q, Postgres, PgArguments> {
    fn all<'q, T>(rows: &'q [PlacedRow<'_>], get: impl Fn(&'q PlacedRow<'_>) -> T) -> Vec<T> {
        rows.iter().map(get).collect()
    }
    sqlx::query(sql::INSERT)
        .bind(number_of(first))
        .bind(all(rows, |row| number_of(row.at.position.0)))
        .bind(all(rows, |row| row.at.event.id.0.as_bytes().as_slice()))
        .bind(all(rows, |row| row.stream))
        .bind(all(rows, |row| number_of(row.at.version.0)))
        .bind(all(rows, |row| row.at.event.kind.as_str()))
        .bind(all(rows, |row| i32::from(row.at.event.schema)))
        .bind(all(rows, |row| row.at.event.recorded_at.timestamp_micros()))
        .bind(all(rows, |row| row.at.event.effective_at.timestamp_micros()))
        .bind(all(rows, |row| row.at.event.actor.kind.as_str()))
        .bind(all(rows, |row| row.at.event.actor.id.as_str()))
        .bind(all(rows, |row| row.at.event.origin.as_str()))
        .bind(all(rows, |row| row.at.event.correlation.as_str()))
        .bind(all(rows, |row| row.at.event.causation.as_ref().map(|id| id.0.as_bytes().as_slice())))
        .bind(all(rows, |row| row.leaf.as_slice()))
        .bind(all(rows, |row| row.at.event.data.as_str()))
}

/// A number as stored. One that is too large is refused by the database.
fn number_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

/// Reads a row of `columns!()`.
pub(super) fn decode(row: &PgRow) -> Result<StoredEvent, Failure> {
    let position = number(row, 0).ok_or_else(|| corrupt("an unknown position", "its position is not a number"))?;
    let bad = |what: &str| corrupt(&format!("position {position}"), &format!("its {what} cannot be read"));
    let name = text(row, 2).ok_or_else(|| bad("stream"))?;
    let causation = match typed::<Option<&[u8]>>(row, 12).ok_or_else(|| bad("causation"))? {
        None => None,
        Some(bytes) => Some(EventId(Uuid::from_slice(bytes).map_err(|_| bad("causation"))?)),
    };
    Ok(StoredEvent {
        stream: StreamName::parse(name).map_err(|_| bad("stream"))?,
        version: Version(number(row, 3).ok_or_else(|| bad("version"))?),
        position: Position(position),
        event: NewEvent {
            id: EventId(typed(row, 1).and_then(|id| Uuid::from_slice(id).ok()).ok_or_else(|| bad("id"))?),
            kind: text(row, 4).ok_or_else(|| bad("type"))?.to_owned(),
            schema: typed::<i32>(row, 5).and_then(|n| u16::try_from(n).ok()).ok_or_else(|| bad("schema"))?,
            recorded_at: time(row, 6).ok_or_else(|| bad("recorded_at"))?,
            effective_at: time(row, 7).ok_or_else(|| bad("effective_at"))?,
            actor: Actor {
                kind: text(row, 8).ok_or_else(|| bad("actor"))?.to_owned(),
                id: text(row, 9).ok_or_else(|| bad("actor"))?.to_owned(),
            },
            origin: text(row, 10).and_then(Origin::parse).ok_or_else(|| bad("origin"))?,
            correlation: CorrelationId(text(row, 11).ok_or_else(|| bad("correlation"))?.to_owned()),
            causation,
            data: text(row, 14).ok_or_else(|| bad("data"))?.to_owned(),
        },
        leaf: typed::<&[u8]>(row, 13).and_then(|b| b.try_into().ok()).ok_or_else(|| bad("leaf hash"))?,
    })
}

pub(super) fn corrupt(at: &str, reason: &str) -> Failure {
    Failure::Corrupt { at: at.to_owned(), reason: reason.to_owned() }
}

fn typed<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, index: usize) -> Option<T> {
    row.try_get(index).ok()
}

fn text(row: &PgRow, index: usize) -> Option<&str> {
    typed(row, index)
}

fn number(row: &PgRow, index: usize) -> Option<u64> {
    typed::<i64>(row, index).and_then(|n| u64::try_from(n).ok())
}

fn time(row: &PgRow, index: usize) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp_micros(typed(row, index)?)
}

/// An error while reading. Nothing was written, so it is either damage or can be retried.
pub(super) fn unreadable(error: &sqlx::Error) -> Failure {
    match WriteFailure::of(error) {
        WriteFailure::Damaged(message) => corrupt("the database", &message),
        WriteFailure::Busy => Failure::Unavailable("the server took too long".to_owned()),
        other => Failure::Unavailable(other.message().to_owned()),
    }
}
