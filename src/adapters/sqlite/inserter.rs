//! The connection that writes events: rusqlite, on the writer's own thread.
//!
//! sqlx has a thread per connection and passes every call to it. For a commit of one event this costs as much
//! as the commit; here the writer's thread calls SQLite directly, with one prepared statement per row.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, params};

use super::{failure::WriteFailure, sql};
use crate::ledger::grouping::PlacedRow;

/// How long it waits for another process's lock before the writer retries, up to the writer's own limit: SQLite polls
/// less often the longer it waits, so that a busy process could starve it.
const PATIENCE: Duration = Duration::from_millis(100);

/// Writes events.
pub(super) struct Inserter(Connection);

impl Inserter {
    /// Opens a file that is already migrated and in WAL mode. There is no option for less safety.
    pub(super) fn open(path: &Path) -> Result<Self, WriteFailure> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", "ON")?;
            connection.pragma_update(None, "trusted_schema", "OFF")?;
            Ok(Self(connection))
        };
        open().map_err(|error| WriteFailure::of_insert(&error))
    }

    /// Writes rows in a transaction of their own, durable when this returns.
    pub(super) fn write(&mut self, rows: &[PlacedRow<'_>]) -> Result<(), WriteFailure> {
        self.begin()?;
        self.finish(rows)
    }

    /// Takes the write lock.
    pub(super) fn begin(&mut self) -> Result<(), WriteFailure> {
        self.run(sql::BEGIN)
    }

    /// Writes rows into the open transaction, and makes it durable.
    pub(super) fn finish(&mut self, rows: &[PlacedRow<'_>]) -> Result<(), WriteFailure> {
        let written = rows.iter().try_for_each(|row| self.insert(row)).map_err(|error| WriteFailure::of_insert(&error));
        let committed = written.and_then(|()| self.run(sql::COMMIT));
        if committed.is_err() {
            self.abandon();
        }
        committed
    }

    /// Ends the transaction that may be open. An error of the rollback repeats what the next statement will say again.
    pub(super) fn abandon(&mut self) {
        if !self.0.is_autocommit() {
            self.run(sql::ROLLBACK).ok();
        }
    }

    fn run(&self, statement: &'static str) -> Result<(), WriteFailure> {
        let run = || self.0.prepare_cached(statement)?.execute([]).map(drop);
        run().map_err(|error| WriteFailure::of_insert(&error))
    }

    fn insert(&self, row: &PlacedRow<'_>) -> Result<(), rusqlite::Error> {
        let event = row.at.event;
        let mut insert = self.0.prepare_cached(sql::INSERT)?;
        insert
            .execute(params![
                number(row.at.position.0),
                event.id.0.as_bytes().as_slice(),
                row.stream,
                number(row.at.version.0),
                event.kind,
                event.schema,
                event.recorded_at.timestamp_micros(),
                event.effective_at.timestamp_micros(),
                event.actor.kind,
                event.actor.id,
                event.origin.as_str(),
                event.correlation.as_str(),
                event.causation.as_ref().map(|id| id.0.as_bytes().as_slice()),
                row.leaf.as_slice(),
                event.data,
            ])
            .map(drop)
    }
}

/// SQLite's integers end at 2^63 - 1. What is beyond is refused by the table, which knows that no row has this place.
fn number(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
