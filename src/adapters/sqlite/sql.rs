//! The ledger's statements.

/// Columns of `events`, in the order in which `rows.rs` writes and reads them.
macro_rules! columns {
    () => {
        "position, id, stream, version, type, schema, recorded_at, effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data"
    };
}

macro_rules! row {
    () => {
        "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    };
}

macro_rules! four {
    ($one:expr) => {
        concat!($one, ",", $one, ",", $one, ",", $one)
    };
}

/// A statement that inserts as many rows as the list has places; places without a position stay empty. A row that is
/// refused ends the transaction: were only the statement undone, SQLite would have to keep a journal of it.
macro_rules! insert {
    ($rows:expr) => {
        concat!(
            "INSERT OR ROLLBACK INTO events (",
            columns!(),
            ") SELECT * FROM (VALUES ",
            $rows,
            ") WHERE column1 IS NOT NULL;"
        )
    };
}

/// The same as a transaction of its own. One call into SQLite, and so one change of threads, for a whole group.
macro_rules! transaction {
    ($rows:expr) => {
        concat!("BEGIN IMMEDIATE;", insert!($rows), "COMMIT;")
    };
}

/// Parameters per row.
pub(super) const COLUMNS: usize = 15;

/// An insert of up to `places` rows. Each size is one prepared statement; what is not used is bound to NULL.
pub(super) struct Insert {
    pub places: usize,
    /// Within a transaction that is open.
    pub within: &'static str,
    /// Begins and commits as well.
    pub alone: &'static str,
}

/// Ascending by places.
pub(super) const INSERTS: [Insert; 5] = [
    Insert { places: 1, within: insert!(row!()), alone: transaction!(row!()) },
    Insert { places: 4, within: insert!(four!(row!())), alone: transaction!(four!(row!())) },
    Insert { places: 16, within: insert!(four!(four!(row!()))), alone: transaction!(four!(four!(row!()))) },
    Insert {
        places: 64,
        within: insert!(four!(four!(four!(row!())))),
        alone: transaction!(four!(four!(four!(row!())))),
    },
    Insert {
        places: 256,
        within: insert!(four!(four!(four!(four!(row!()))))),
        alone: transaction!(four!(four!(four!(four!(row!()))))),
    },
];

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
pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM events WHERE id = ?");

/// Moves everything from the write-ahead log into the file, durably, and cuts the log to nothing.
/// Answers (busy, frames in the log, frames moved).
pub(super) const TRUNCATE_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
