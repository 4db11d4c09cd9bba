-- Does our access work? Used by the API and /health.
-- Mapping: src/projections/connections.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE connections (
    connection      TEXT NOT NULL,
    provider        TEXT,
    account         TEXT,
    scopes          TEXT,
    status          TEXT,
    failure_class   TEXT,
    failure_summary TEXT,
    retry_at        TEXT,
    authorised_at   TEXT,
    revoked_at      TEXT,
    changed_at      TEXT,
    position        BIGINT NOT NULL,
    removed         BOOLEAN NOT NULL,
    PRIMARY KEY (connection)
);

-- name: list
SELECT * FROM connections
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR connection > $1)
ORDER BY connection LIMIT $2;

-- name: all
SELECT * FROM connections
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR connection > $1)
ORDER BY connection LIMIT $2;
