-- Which calls were made, and how did they end (seed: SyncAttemptLog)? Used by the API, `attempts list` and the metrics.
-- Mapping: src/projections/attempts.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE attempts (
    attempt          TEXT NOT NULL,
    link             TEXT,
    number           BIGINT,
    connection       TEXT,
    calendar         TEXT,
    direction        TEXT,
    operation        TEXT,
    status           TEXT,
    error_class      TEXT,
    error_group      TEXT,
    error_summary    TEXT,
    error_status     BIGINT,
    error_reason     TEXT,
    retry_at         TEXT,
    verified         BOOLEAN,
    remote           TEXT,
    generation       BIGINT,
    booking_revision BIGINT,
    worker           TEXT,
    started_at       TEXT,
    finished_at      TEXT,
    correlation      TEXT,
    entries          BIGINT,
    removals         BIGINT,
    position         BIGINT NOT NULL,
    removed          BOOLEAN NOT NULL,
    PRIMARY KEY (attempt)
);
CREATE INDEX attempts_list ON attempts (started_at, attempt);
CREATE INDEX attempts_link ON attempts (link);
CREATE INDEX attempts_count ON attempts (status, direction, operation, error_class);

-- name: one
SELECT attempts.attempt, attempts.link, links.booking, attempts.number,
  coalesce(attempts.connection, links.connection) AS connection, coalesce(attempts.calendar, links.calendar) AS calendar,
  attempts.direction, attempts.operation, attempts.status, attempts.error_class, attempts.error_group,
  attempts.error_summary, attempts.error_status, attempts.error_reason, attempts.retry_at, attempts.verified,
  attempts.remote, attempts.generation, attempts.booking_revision, attempts.worker, attempts.started_at,
  attempts.finished_at, attempts.correlation, attempts.entries, attempts.removals
FROM attempts LEFT JOIN links ON links.link = attempts.link
WHERE attempts.attempt = $1 AND attempts.removed = FALSE;

-- name: list
SELECT attempts.attempt, attempts.link, links.booking, attempts.number,
  coalesce(attempts.connection, links.connection) AS connection, coalesce(attempts.calendar, links.calendar) AS calendar,
  attempts.direction, attempts.operation, attempts.status, attempts.error_class, attempts.error_group,
  attempts.error_summary, attempts.error_status, attempts.error_reason, attempts.retry_at, attempts.verified,
  attempts.remote, attempts.generation, attempts.booking_revision, attempts.worker, attempts.started_at,
  attempts.finished_at, attempts.correlation, attempts.entries, attempts.removals
FROM attempts LEFT JOIN links ON links.link = attempts.link
WHERE attempts.removed = FALSE
  AND (CAST($1 AS TEXT) IS NULL OR attempts.status = $1)
  AND (CAST($2 AS TEXT) IS NULL OR attempts.link = $2)
  AND (CAST($3 AS TEXT) IS NULL OR coalesce(attempts.connection, links.connection) = $3)
  AND (CAST($4 AS TEXT) IS NULL OR attempts.direction = $4)
  AND (CAST($5 AS TEXT) IS NULL OR (attempts.started_at, attempts.attempt) < ($5, $6))
ORDER BY attempts.started_at DESC, attempts.attempt DESC LIMIT $7;

-- name: counts
SELECT connections.provider AS provider, attempts.direction AS direction, attempts.operation AS operation,
  attempts.status AS status, attempts.error_class AS error_class, count(*) AS count
FROM attempts
LEFT JOIN links ON links.link = attempts.link
LEFT JOIN connections ON connections.connection = coalesce(attempts.connection, links.connection)
WHERE attempts.removed = FALSE
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3 NULLS FIRST, 4 NULLS FIRST, 5 NULLS FIRST;


-- name: all
SELECT * FROM attempts
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR attempt > $1)
ORDER BY attempt LIMIT $2;
