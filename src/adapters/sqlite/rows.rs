//! Rows of `events`: written from what was judged, read back strictly. A row that is not what the writer writes is damage.

use sqlx::{
    Arguments as _, Decode, Row as _, Sqlite, TypeInfo as _, ValueRef as _,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use super::sql::COLUMNS;
use crate::{
    domain::ids::{CorrelationId, EventId, Position, Version},
    ports::{append::Standing, event_store::Failure},
    record::{
        envelope::{Actor, NewEvent, Origin, Recorded},
        stream::StreamName,
    },
};

/// An event with its place and hash, ready to be written.
pub(super) struct Placed<'a> {
    pub at: Standing<'a>,
    pub stream: &'a str,
    pub leaf: [u8; 32],
}

/// The parameters of an insert of `places` rows.
pub(super) fn arguments(rows: &[Placed<'_>], places: usize) -> Result<SqliteArguments, sqlx::Error> {
    let mut all = SqliteArguments::default();
    all.reserve(places * COLUMNS, 0);
    for row in rows {
        bind(&mut all, row).map_err(sqlx::Error::Encode)?;
    }
    for _ in rows.len() * COLUMNS..places * COLUMNS {
        all.add(None::<i64>).map_err(sqlx::Error::Encode)?;
    }
    Ok(all)
}

fn bind(all: &mut SqliteArguments, row: &Placed<'_>) -> Result<(), sqlx::error::BoxDynError> {
    let event = row.at.event;
    all.add(i64::try_from(row.at.position.0)?)?;
    all.add(event.id.0.as_bytes().as_slice())?;
    all.add(row.stream)?;
    all.add(i64::try_from(row.at.version.0)?)?;
    all.add(event.kind.as_str())?;
    all.add(i64::from(event.schema))?;
    all.add(event.recorded_at.timestamp_micros())?;
    all.add(event.effective_at.timestamp_micros())?;
    all.add(event.actor.kind.as_str())?;
    all.add(event.actor.id.as_str())?;
    all.add(event.origin.as_str())?;
    all.add(event.correlation.as_str())?;
    all.add(event.causation.as_ref().map(|id| id.0.as_bytes().as_slice()))?;
    all.add(row.leaf.as_slice())?;
    all.add(event.data.as_str())
}

/// Reads a row of `columns!()`.
pub(super) fn decode(row: &SqliteRow) -> Result<Recorded, Failure> {
    let position = number(row, 0).ok_or_else(|| corrupt("an unknown position", "its position is not a number"))?;
    let bad = |what: &str| corrupt(&format!("position {position}"), &format!("its {what} cannot be read"));
    let stream = text(row, 2).ok_or_else(|| bad("stream"))?;
    let causation = match raw(row, 12, "NULL") {
        Some(true) => None,
        Some(false) | None => Some(EventId(uuid(row, 12).ok_or_else(|| bad("causation"))?)),
    };
    Ok(Recorded {
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

/// Whether the stored value, whatever the column was declared as, has this storage class.
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
