-- What did sources deliver, and what became of it? Asked by the API and the console.
-- Rows are mapped in src/projections/deliveries.rs; reads and the upsert of src/adapters/ are built from its columns.

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
