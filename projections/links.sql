-- The mapping table (seed: BookingEventMap): which booking is which remote entry, its state, and when it is due.
-- Used by the workers and the API.
-- Mapping: src/projections/links/mod.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE links (
    link               TEXT NOT NULL,
    booking            TEXT,
    appointment        TEXT,
    connection         TEXT,
    calendar           TEXT,
    resource           TEXT,
    profile            TEXT,
    generation         BIGINT,
    remote             TEXT,
    etag               TEXT,
    marked_cancelled   BOOLEAN,
    was_there          BOOLEAN,
    status             TEXT,
    phase              TEXT,
    last_source        TEXT,
    last_synced_at     TEXT,
    command            TEXT,
    operation          TEXT,
    command_remote     TEXT,
    command_generation BIGINT,
    outcome_unknown    BOOLEAN,
    lease_until        TEXT,
    retry_at           TEXT,
    held               TEXT,
    held_words         TEXT,
    approval           TEXT,
    held_until         TEXT,
    withheld           TEXT,
    withheld_until     TEXT,
    due_at             TEXT,
    inbound            TEXT,
    conflict           TEXT,
    conflict_etag      TEXT,
    conflict_cancelled BOOLEAN,
    look               TEXT,
    dead               BOOLEAN,
    failure_class      TEXT,
    failure_summary    TEXT,
    detached           TEXT,
    detached_words     TEXT,
    superseded         TEXT,
    clone              TEXT,
    attention          TEXT,
    attention_words    TEXT,
    action             TEXT,
    reasons            TEXT,
    profile_version    BIGINT,
    changed_at         TEXT,
    position           BIGINT NOT NULL,
    removed            BOOLEAN NOT NULL,
    PRIMARY KEY (link)
);
CREATE INDEX links_due ON links (due_at);
CREATE INDEX links_booking ON links (booking);
CREATE INDEX links_calendar ON links (connection, calendar, link);
CREATE INDEX links_approval ON links (approval);

-- name: one
SELECT * FROM links WHERE link = $1 AND removed = FALSE;

-- name: list
SELECT * FROM links
WHERE removed = FALSE
  AND (CAST($1 AS TEXT) IS NULL OR status = $1)
  AND (CAST($2 AS TEXT) IS NULL OR connection = $2)
  AND (CAST($3 AS TEXT) IS NULL OR resource = $3)
  AND ($4 = FALSE OR attention IS NOT NULL)
  AND (CAST($5 AS TEXT) IS NULL OR link > $5)
ORDER BY link LIMIT $6;

-- name: due
SELECT * FROM links WHERE due_at <= $1 AND removed = FALSE ORDER BY due_at, link LIMIT $2;

-- name: of_booking
SELECT * FROM links WHERE booking = $1 AND removed = FALSE ORDER BY link;

-- name: of_calendar
SELECT * FROM links
WHERE connection = $1 AND calendar = $2 AND remote IS NOT NULL AND removed = FALSE
  AND (CAST($3 AS TEXT) IS NULL OR link > $3)
ORDER BY link LIMIT $4;

-- name: of_connection
SELECT * FROM links
WHERE connection = $1 AND removed = FALSE AND (CAST($2 AS TEXT) IS NULL OR link > $2)
ORDER BY link LIMIT $3;

-- name: for_approval
SELECT * FROM links
WHERE approval = $1 AND removed = FALSE AND (CAST($2 AS TEXT) IS NULL OR link > $2)
ORDER BY link LIMIT $3;

-- name: counts
SELECT status, count(*) AS count FROM links WHERE removed = FALSE GROUP BY status ORDER BY status NULLS FIRST;

-- name: health
SELECT
  (SELECT min(due_at) FROM links WHERE removed = FALSE) AS oldest_due_at,
  (SELECT max(finished_at) FROM attempts WHERE status = 'success' AND removed = FALSE) AS last_success_at,
  (SELECT min(expires_at) FROM channels WHERE state = 'open' AND removed = FALSE) AS channel_expires_at,
  (SELECT min(pulled_at) FROM calendars WHERE selected = TRUE AND removed = FALSE) AS pulled_at,
  (SELECT count(*) FROM links WHERE attention IS NOT NULL AND removed = FALSE) AS attention,
  (SELECT count(*) FROM dead_letters WHERE removed = FALSE) AS dead_letters;

-- name: all
SELECT * FROM links
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR link > $1)
ORDER BY link LIMIT $2;
