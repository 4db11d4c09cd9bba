-- What did sources deliver, and what was the outcome? Used by the API.
-- Mapping: src/projections/deliveries.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE deliveries (
    stream      TEXT NOT NULL,
    source      TEXT,
    delivery    TEXT,
    origin      TEXT,
    status      TEXT,
    booking     TEXT,
    changed     BOOLEAN,
    reason      TEXT,
    received_at TEXT,
    settled_at  TEXT,
    position    BIGINT NOT NULL,
    removed     BOOLEAN NOT NULL,
    PRIMARY KEY (stream)
);

-- name: list
SELECT * FROM deliveries
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR status = $1) AND (CAST($2 AS TEXT) IS NULL OR stream > $2)
ORDER BY stream LIMIT $3;

-- name: all
SELECT * FROM deliveries
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR stream > $1)
ORDER BY stream LIMIT $2;
