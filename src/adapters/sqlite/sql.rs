//! The ledger's statements.

/// Columns of `events`, in the order in which `rows.rs` writes and reads them.
macro_rules! columns {
    () => {
        "position, id, stream, version, type, schema, recorded_at, effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data"
    };
}

/// A refused row rolls back the transaction: to undo only the statement, SQLite would have to keep a journal of it.
pub(super) const INSERT: &str =
    concat!("INSERT OR ROLLBACK INTO events (", columns!(), ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

pub(super) const END: &str = "SELECT coalesce(max(position) + 1, 0) FROM events";

/// Last versions of the streams in a JSON list of names.
pub(super) const LASTS: &str = "SELECT wanted.value, (SELECT max(version) FROM events WHERE stream = wanted.value) \
     FROM json_each(?) AS wanted";

/// Events whose ids are in a JSON list of hex texts.
pub(super) const BY_IDS: &str =
    concat!("SELECT ", columns!(), " FROM events WHERE id IN (SELECT unhex(value) FROM json_each(?))");

pub(super) const READ_STREAM: &str =
    concat!("SELECT ", columns!(), " FROM events WHERE stream = ? AND version >= ? ORDER BY version LIMIT ?");
pub(super) const LAST: &str =
    concat!("SELECT ", columns!(), " FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1");
pub(super) const READ_ALL: &str =
    concat!("SELECT ", columns!(), " FROM events WHERE position >= ? ORDER BY position LIMIT ?");
pub(super) const LEAVES: &str = "SELECT position, leaf FROM events WHERE position >= ? ORDER BY position LIMIT ?";
pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM events WHERE id = ?");

/// Writes the write-ahead log to the file, durably, and truncates it.
/// Returns (busy, frames in the log, frames written).
pub(super) const TRUNCATE_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
