-- The ledger: what cannot be rebuilt from anything else. Twin: migrations/postgres/0001_ledger.sql.
-- Written and read only by src/adapters/sqlite/.

-- One row: which ledger this is. `format` is the shape of the stored events themselves, not of the tables.
CREATE TABLE ledger (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    format     INTEGER NOT NULL,
    workspace  TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Times are microseconds since 1970-01-01T00:00:00Z. `leaf` is the RFC 6962 leaf hash (src/record/envelope.rs).
CREATE TABLE events (
    position     INTEGER NOT NULL PRIMARY KEY CHECK (position >= 0),
    id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    stream       TEXT    NOT NULL,
    version      INTEGER NOT NULL CHECK (version >= 0),
    type         TEXT    NOT NULL,
    schema       INTEGER NOT NULL,
    recorded_at  INTEGER NOT NULL,
    effective_at INTEGER NOT NULL,
    actor_kind   TEXT    NOT NULL,
    actor_id     TEXT    NOT NULL,
    origin       TEXT    NOT NULL,
    correlation  TEXT    NOT NULL,
    causation    BLOB,
    leaf         BLOB    NOT NULL CHECK (length(leaf) = 32),
    data         TEXT    NOT NULL,
    UNIQUE (stream, version)
) STRICT;

-- The promises of the ledger, kept by the file itself: whichever program writes into it, positions and versions have no
-- gap, and what is written stays. The writer relies on the first: it predicts places and lets it refuse. They roll the
-- transaction back rather than abort the statement, which spares SQLite a journal of every statement.
-- One trigger for both, because each costs every insert.
CREATE TRIGGER events_are_dense BEFORE INSERT ON events
WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM events)
    OR (NEW.version > 0
        AND NOT EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND version = NEW.version - 1))
BEGIN
    SELECT RAISE(ROLLBACK, 'positions and versions are dense');
END;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ROLLBACK, 'events are not changed');
END;

CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ROLLBACK, 'events are not removed');
END;

-- Keys of subjects, wrapped under the master key `master` (its public name). A forgotten subject keeps its row, without key.
CREATE TABLE subject_keys (
    subject      TEXT    NOT NULL PRIMARY KEY,
    key_id       TEXT,
    master       TEXT,
    nonce        BLOB,
    wrapped      BLOB,
    created_at   INTEGER,
    destroyed_at INTEGER,
    CHECK ((destroyed_at IS NULL) = (wrapped IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (nonce IS NULL) AND (wrapped IS NULL) = (master IS NULL)
        AND (wrapped IS NULL) = (key_id IS NULL) AND (wrapped IS NULL) = (created_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE api_tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    role       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
