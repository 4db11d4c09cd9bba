//! Rows of `events`: written after judging, and read strictly. A row that the writer would not write is damage.

use sqlx::{Decode, Row as _, Sqlite, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};
use uuid::Uuid;

use crate::{
    domain::ids::{CorrelationId, EventId, Position, Version},
    ports::event_store::Failure,
    record::{
        envelope::{Actor, NewEvent, Origin, StoredEvent},
        stream::StreamName,
    },
};

/// Reads a row of `columns!()`.
pub(super) fn decode(row: &SqliteRow) -> Result<StoredEvent, Failure> {
    let position = number(row, 0).ok_or_else(|| corrupt("an unknown position", "its position is not a number"))?;
    let bad = |what: &str| corrupt(&format!("position {position}"), &format!("its {what} cannot be read"));
    let stream = text(row, 2).ok_or_else(|| bad("stream"))?;
    let causation = match raw(row, 12, "NULL") {
        Some(true) => None,
        Some(false) | None => Some(EventId(uuid(row, 12).ok_or_else(|| bad("causation"))?)),
    };
    Ok(StoredEvent {
        stream: StreamName::parse(stream).map_err(|_| bad("stream"))?,
        version: Version(number(row, 3).ok_or_else(|| bad("version"))?),
        position: Position(position),
        event: NewEvent {
            id: EventId(uuid(row, 1).ok_or_else(|| bad("id"))?),
            kind: text(row, 4).ok_or_else(|| bad("type"))?.to_owned(),
            schema: number(row, 5).and_then(|n| u16::try_from(n).ok()).ok_or_else(|| bad("schema"))?,
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
        leaf: typed::<&[u8]>(row, 13, "BLOB").and_then(|b| b.try_into().ok()).ok_or_else(|| bad("leaf hash"))?,
    })
}

pub(super) fn corrupt(at: &str, reason: &str) -> Failure {
    Failure::Corrupt { at: at.to_owned(), reason: reason.to_owned() }
}

/// Whether the stored value has this storage class, whatever the column's declared type.
fn raw(row: &SqliteRow, index: usize, class: &str) -> Option<bool> {
    let value = row.try_get_raw(index).ok()?;
    Some(if value.is_null() { class == "NULL" } else { value.type_info().name() == class })
}

fn typed<'r, T: Decode<'r, Sqlite>>(row: &'r SqliteRow, index: usize, class: &str) -> Option<T> {
    raw(row, index, class).filter(|same| *same)?;
    T::decode(row.try_get_raw(index).ok()?).ok()
}

fn text(row: &SqliteRow, index: usize) -> Option<&str> {
    typed(row, index, "TEXT")
}

fn number(row: &SqliteRow, index: usize) -> Option<u64> {
    typed::<i64>(row, index, "INTEGER").and_then(|n| u64::try_from(n).ok())
}

fn uuid(row: &SqliteRow, index: usize) -> Option<Uuid> {
    Uuid::from_slice(typed::<&[u8]>(row, index, "BLOB")?).ok()
}

fn time(row: &SqliteRow, index: usize) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp_micros(typed(row, index, "INTEGER")?)
}
