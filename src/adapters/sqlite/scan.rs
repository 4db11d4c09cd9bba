//! Long reads: pages of thousands of events, and leaf hashes, with rusqlite on a blocking thread.
//!
//! sqlx copies every column of every row and passes rows between threads, which is fine for a stream but takes most of
//! the time when the whole ledger is read.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{
    Connection, OpenFlags, Row,
    types::{Type, ValueRef},
};
use uuid::Uuid;

use super::{failure::WriteFailure, rows::corrupt, sql};
use crate::{
    domain::ids::{CorrelationId, EventId, Position, Version},
    ports::event_store::Failure,
    record::{
        envelope::{Actor, NewEvent, Origin, StoredEvent},
        merkle::Hash,
        stream::StreamName,
    },
};

/// Maximum time a reader waits for a lock. In WAL mode only a recovery blocks readers.
const BUSY_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// A read-only connection, opened when first needed.
#[derive(Clone)]
pub(super) struct Scanner {
    path: Arc<PathBuf>,
    open: Arc<Mutex<Option<Connection>>>,
}

impl Scanner {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), open: Arc::default() }
    }

    /// Events from `from` on; a row that the writer would not write is damage.
    pub(super) async fn events(&self, from: Position, limit: i64) -> Result<Vec<StoredEvent>, Failure> {
        let Ok(first) = i64::try_from(from.0) else { return Ok(Vec::new()) };
        self.blocking(move |connection| {
            let mut statement = connection.prepare_cached(sql::READ_ALL)?;
            let mut rows = statement.query((first, limit))?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                match decode(row) {
                    Ok(event) => events.push(event),
                    Err(failure) => return Ok(Err(failure)),
                }
            }
            Ok(Ok(events))
        })
        .await
    }

    /// Leaf hashes from `from` on, with their positions.
    pub(super) async fn leaves(&self, from: Position, limit: i64) -> Result<Vec<Hash>, Failure> {
        let Ok(first) = i64::try_from(from.0) else { return Ok(Vec::new()) };
        self.blocking(move |connection| {
            let mut statement = connection.prepare_cached(sql::LEAVES)?;
            let mut rows = statement.query((first, limit))?;
            let mut leaves = Vec::new();
            for at in first.. {
                let Some(row) = rows.next()? else { break };
                let leaf =
                    blob(row, 1).and_then(|b| b.try_into().ok()).filter(|_| number(row, 0) == at.try_into().ok());
                let Some(leaf) = leaf else {
                    return Ok(Err(corrupt(
                        &format!("position {at}"),
                        "the event is missing, or its leaf hash cannot be read",
                    )));
                };
                leaves.push(leaf);
            }
            Ok(Ok(leaves))
        })
        .await
    }

    /// Runs `read` on a blocking thread, with exclusive use of the connection.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let scanner = self.clone();
        let read = move || {
            let mut open = scanner.open.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = match open.take() {
                Some(connection) => connection,
                None => connect(&scanner.path).map_err(|e| failure(&e))?,
            };
            // After an error the connection is dropped with this scope.
            let outcome = read(&connection).map_err(|e| failure(&e))?;
            *open = Some(connection);
            outcome
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| Failure::Unavailable(e.to_string()))?
    }

    /// Path of the file.
    pub(super) fn path(&self) -> PathBuf {
        (*self.path).clone()
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn connect(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(connection)
}

fn failure(error: &rusqlite::Error) -> Failure {
    match WriteFailure::of_insert(error) {
        WriteFailure::Damaged(message) => corrupt("the file", &message),
        other => Failure::Unavailable(other.message().to_owned()),
    }
}

/// Reads a row of `columns!()`. The version for sqlx is in `rows.rs`.
fn decode(row: &Row<'_>) -> Result<StoredEvent, Failure> {
    let position = number(row, 0).ok_or_else(|| corrupt("an unknown position", "its position is not a number"))?;
    let bad = |what: &str| corrupt(&format!("position {position}"), &format!("its {what} cannot be read"));
    let owned = |index, what| text(row, index).map(str::to_owned).ok_or_else(|| bad(what));
    let causation = match row.get_ref(12) {
        Ok(ValueRef::Null) => None,
        _ => Some(EventId(uuid(row, 12).ok_or_else(|| bad("causation"))?)),
    };
    Ok(StoredEvent {
        stream: text(row, 2).and_then(|name| StreamName::parse(name).ok()).ok_or_else(|| bad("stream"))?,
        version: Version(number(row, 3).ok_or_else(|| bad("version"))?),
        position: Position(position),
        event: NewEvent {
            id: EventId(uuid(row, 1).ok_or_else(|| bad("id"))?),
            kind: owned(4, "type")?,
            schema: number(row, 5).and_then(|n| u16::try_from(n).ok()).ok_or_else(|| bad("schema"))?,
            recorded_at: time(row, 6).ok_or_else(|| bad("recorded_at"))?,
            effective_at: time(row, 7).ok_or_else(|| bad("effective_at"))?,
            actor: Actor { kind: owned(8, "actor")?, id: owned(9, "actor")? },
            origin: text(row, 10).and_then(Origin::parse).ok_or_else(|| bad("origin"))?,
            correlation: CorrelationId(owned(11, "correlation")?),
            causation,
            data: owned(14, "data")?,
        },
        leaf: blob(row, 13).and_then(|b| b.try_into().ok()).ok_or_else(|| bad("leaf hash"))?,
    })
}

/// The value, if it has the storage class it was written with.
fn typed<'r>(row: &'r Row<'_>, index: usize, class: Type) -> Option<ValueRef<'r>> {
    row.get_ref(index).ok().filter(|value| value.data_type() == class)
}

fn text<'r>(row: &'r Row<'_>, index: usize) -> Option<&'r str> {
    typed(row, index, Type::Text)?.as_str().ok()
}

fn blob<'r>(row: &'r Row<'_>, index: usize) -> Option<&'r [u8]> {
    typed(row, index, Type::Blob)?.as_blob().ok()
}

fn number(row: &Row<'_>, index: usize) -> Option<u64> {
    u64::try_from(typed(row, index, Type::Integer)?.as_i64().ok()?).ok()
}

fn uuid(row: &Row<'_>, index: usize) -> Option<Uuid> {
    Uuid::from_slice(blob(row, index)?).ok()
}

fn time(row: &Row<'_>, index: usize) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp_micros(typed(row, index, Type::Integer)?.as_i64().ok()?)
}
