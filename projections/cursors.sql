-- Where does the next listing start? Used by the API (seed: "view last sync cursor/timestamp").
-- Mapping: src/projections/cursors.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE cursors (
    kind           TEXT NOT NULL,
    owner          TEXT NOT NULL,
    calendar       TEXT NOT NULL,
    token          TEXT,
    fingerprint    TEXT,
    advanced_at    TEXT,
    invalidated_at TEXT,
    reason         TEXT,
    failed_at      TEXT,
    retry_at       TEXT,
    position       BIGINT NOT NULL,
    removed        BOOLEAN NOT NULL,
    PRIMARY KEY (kind, owner, calendar)
);

-- name: list
SELECT * FROM cursors
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR (kind, owner, calendar) > ($1, $2, $3))
ORDER BY kind, owner, calendar LIMIT $4;

-- name: all
SELECT * FROM cursors
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR (kind, owner, calendar) > ($1, $2, $3))
ORDER BY kind, owner, calendar LIMIT $4;
