//! The ledger's statements.

/// Columns of `events`, in the order in which `rows.rs` writes and reads them.
macro_rules! columns {
    () => {
        "position, id, stream, version, type, schema, recorded_at, effective_at, actor_kind, actor_id, origin, correlation, causation, leaf, data"
    };
}

/// Key of the lock for writing events: the bytes of "sync", then 1.
macro_rules! write_lock {
    () => {
        "pg_advisory_xact_lock(1937337955, 1)"
    };
}

/// Held by the session while it checks for a ledger and creates one.
pub(super) const OPEN_LOCK: &str = "SELECT pg_advisory_lock(1937337955, 2)";

pub(super) const BEGIN_LOCKED: &str = concat!("BEGIN; SELECT ", write_lock!());
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

/// Inserts a whole group; on its own it is a transaction, so one round trip takes the lock, writes and commits.
///
/// It waits for the lock after its snapshot was taken, so the end it sees may be outdated. The check is an optimisation for
/// the usual case (then no row is written, and no error logged); the keys of `events` refuse a position that is taken.
pub(super) const INSERT: &str = concat!(
    "WITH turn AS MATERIALIZED (SELECT ",
    write_lock!(),
    ") INSERT INTO events (",
    columns!(),
    ") SELECT added.* FROM turn, unnest($2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::text[], $7::integer[], \
     $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[], $15::bytea[], \
     $16::text[]) AS added WHERE (SELECT coalesce(max(position) + 1, 0) FROM events) = $1"
);

pub(super) const END: &str = "SELECT coalesce(max(position) + 1, 0) FROM events";

/// The ledger's end, and the last versions of the streams in a list of names.
pub(super) const LASTS: &str = "SELECT (SELECT coalesce(max(position) + 1, 0) FROM events), wanted.name, \
     (SELECT max(version) FROM events WHERE stream = wanted.name) FROM unnest($1::text[]) AS wanted (name)";

/// Events whose ids are in a list.
pub(super) const BY_IDS: &str = concat!("SELECT ", columns!(), " FROM events WHERE id = ANY ($1::bytea[])");

pub(super) const READ_STREAM: &str =
    concat!("SELECT ", columns!(), " FROM events WHERE stream = $1 AND version >= $2 ORDER BY version LIMIT $3");
pub(super) const LAST: &str =
    concat!("SELECT ", columns!(), " FROM events WHERE stream = $1 ORDER BY version DESC LIMIT 1");
pub(super) const READ_ALL: &str =
    concat!("SELECT ", columns!(), " FROM events WHERE position >= $1 ORDER BY position LIMIT $2");
pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM events WHERE id = $1");

/// Channel for notifications about new events.
pub(super) const CHANNEL: &str = "syncledger_events";

/// Notifies other processes, with our name. Need not be durable.
pub(super) const NOTIFY: &str = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
