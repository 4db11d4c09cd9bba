-- Which calendar does a notification belong to, and which channels expire soon? Used by the webhook and the renewal.
-- Mapping: src/projections/channels.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE channels (
    channel      TEXT NOT NULL,
    connection   TEXT,
    calendar     TEXT,
    token_hash   TEXT,
    resource     TEXT,
    expires_at   TEXT,
    renew_at     TEXT,
    state        TEXT,
    replaced_by  TEXT,
    reason       TEXT,
    last_number  BIGINT,
    notified_at  TEXT,
    requested_at TEXT,
    opened_at    TEXT,
    ended_at     TEXT,
    position     BIGINT NOT NULL,
    removed      BOOLEAN NOT NULL,
    PRIMARY KEY (channel)
);

-- name: one
SELECT * FROM channels WHERE channel = $1 AND removed = FALSE;

-- name: list
SELECT * FROM channels
WHERE removed = FALSE AND state IN ('requested', 'open', 'replaced') AND (CAST($1 AS TEXT) IS NULL OR channel > $1)
ORDER BY channel LIMIT $2;

-- name: all
SELECT * FROM channels
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR channel > $1)
ORDER BY channel LIMIT $2;
