-- What was given up and waits for somebody? Asked by the console and `attempts list --failed`.
-- Rows are mapped in src/projections/dead_letters.rs; reads and the upsert of src/adapters/ are built from its columns.

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
