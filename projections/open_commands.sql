-- Which calls have no outcome yet? Used at start and by `doctor`.
-- Mapping: src/projections/open_commands.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE open_commands (
    link            TEXT NOT NULL,
    command         TEXT,
    operation       TEXT,
    remote          TEXT,
    generation      BIGINT,
    worker          TEXT,
    outcome_unknown BOOLEAN,
    issued_at       TEXT,
    lease_until     TEXT,
    position        BIGINT NOT NULL,
    removed         BOOLEAN NOT NULL,
    PRIMARY KEY (link)
);

-- name: list
SELECT * FROM open_commands WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR link > $1) ORDER BY link LIMIT $2;

-- name: all
SELECT * FROM open_commands
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR link > $1)
ORDER BY link LIMIT $2;
