-- What was given up and needs an operator? Used by the API and `attempts dead`.
-- Mapping: src/projections/dead_letters.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE dead_letters (
    kind             TEXT NOT NULL,
    letter           TEXT NOT NULL,
    command          TEXT,
    source           TEXT,
    delivery         TEXT,
    error_class      TEXT,
    error_summary    TEXT,
    booking_revision BIGINT,
    dead_at          TEXT,
    position         BIGINT NOT NULL,
    removed          BOOLEAN NOT NULL,
    PRIMARY KEY (kind, letter)
);

-- name: list
SELECT * FROM dead_letters
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR (kind, letter) > ($1, $2))
ORDER BY kind, letter LIMIT $3;

-- name: all
SELECT * FROM dead_letters
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR (kind, letter) > ($1, $2))
ORDER BY kind, letter LIMIT $3;
