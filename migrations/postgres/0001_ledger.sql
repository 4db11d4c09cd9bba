-- The ledger: what cannot be rebuilt from anything else. Twin: migrations/sqlite/0001_ledger.sql.
-- Written and read only by src/adapters/postgres/.

-- One row: which ledger this is. `format` is the shape of the stored events themselves, not of the tables.
CREATE TABLE ledger (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    format     BIGINT NOT NULL,
    workspace  TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- Times are microseconds since 1970-01-01T00:00:00Z. `leaf` is the RFC 6962 leaf hash (src/record/envelope.rs).
CREATE TABLE events (
    position     BIGINT           NOT NULL PRIMARY KEY CHECK (position >= 0),
    id           BYTEA            NOT NULL UNIQUE CHECK (octet_length(id) = 16),
    stream       TEXT COLLATE "C" NOT NULL,
    version      BIGINT           NOT NULL CHECK (version >= 0),
    type         TEXT             NOT NULL,
    schema       INTEGER          NOT NULL,
    recorded_at  BIGINT           NOT NULL,
    effective_at BIGINT           NOT NULL,
    actor_kind   TEXT             NOT NULL,
    actor_id     TEXT             NOT NULL,
    origin       TEXT             NOT NULL,
    correlation  TEXT             NOT NULL,
    causation    BYTEA,
    leaf         BYTEA            NOT NULL CHECK (octet_length(leaf) = 32),
    data         TEXT             NOT NULL,
    UNIQUE (stream, version)
);

-- The promises of the ledger, kept by the database itself: whichever program writes into it, positions and versions have
-- no gap, and what is written stays. The writer relies on the first: it predicts places and lets it refuse.
--
-- The row before a new one must be committed, or be of the same transaction: that is what makes positions follow the order
-- of commits, so that whoever sees a position sees all below it. The settings keep the plan to two look-ups per row,
-- whatever the statistics say of a table that was empty a moment ago.
CREATE FUNCTION events_are_dense() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM added WHERE added.position > 0
            AND NOT EXISTS (SELECT FROM events WHERE events.position = added.position - 1))
        OR EXISTS (SELECT FROM added WHERE added.version > 0
            AND NOT EXISTS (SELECT FROM events WHERE events.stream = added.stream AND events.version = added.version - 1))
    THEN
        RAISE EXCEPTION 'positions and versions are dense' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER events_are_dense AFTER INSERT ON events
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION events_are_dense();

CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'events are not changed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RAISE EXCEPTION 'events are not removed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_stay();
CREATE TRIGGER events_are_not_removed BEFORE DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_stay();

-- Keys of subjects, wrapped under the master key `master` (its public name). A forgotten subject keeps its row, without key.
CREATE TABLE subject_keys (
    subject      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key_id       TEXT,
    master       TEXT,
    nonce        BYTEA,
    wrapped      BYTEA,
    created_at   BIGINT,
    destroyed_at BIGINT,
    CHECK ((destroyed_at IS NULL) = (wrapped IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (nonce IS NULL) AND (wrapped IS NULL) = (master IS NULL)
        AND (wrapped IS NULL) = (key_id IS NULL) AND (wrapped IS NULL) = (created_at IS NULL))
);

CREATE TABLE api_tokens (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    role       TEXT             NOT NULL,
    hash       BYTEA            NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_at BIGINT           NOT NULL,
    revoked_at BIGINT
);
