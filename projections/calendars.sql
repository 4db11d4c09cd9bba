-- When was each calendar last pulled, and what are our permissions? Used by pollers, the API and /health.
-- Mapping: src/projections/calendars.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE calendars (
    connection       TEXT NOT NULL,
    calendar         TEXT NOT NULL,
    selected         BOOLEAN,
    push             TEXT,
    writable         BOOLEAN,
    writable_reason  TEXT,
    unavailable      BOOLEAN,
    notified_at      TEXT,
    notified         BOOLEAN,
    pull_worker      TEXT,
    pull_lease_until TEXT,
    began_at         TEXT,
    pull_began_at    TEXT,
    pulled_at        TEXT,
    pulled_entries   BIGINT,
    pulled_managed   BIGINT,
    pull_retry_at    TEXT,
    failure_class    TEXT,
    failure_summary  TEXT,
    coverage_from    TEXT,
    coverage_until   TEXT,
    covered_at       TEXT,
    channel_retry_at TEXT,
    changed_at       TEXT,
    position         BIGINT NOT NULL,
    removed          BOOLEAN NOT NULL,
    PRIMARY KEY (connection, calendar)
);

-- name: list
SELECT * FROM calendars
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR (connection, calendar) > ($1, $2))
ORDER BY connection, calendar LIMIT $3;

-- name: all
SELECT * FROM calendars
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR (connection, calendar) > ($1, $2))
ORDER BY connection, calendar LIMIT $3;
