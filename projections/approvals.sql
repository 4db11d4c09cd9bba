-- Which mass deletions wait for an operator? Used by the API and `approvals list`.
-- Mapping: src/projections/approvals.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE approvals (
    approval     TEXT NOT NULL,
    connection   TEXT,
    calendar     TEXT,
    removals     BIGINT,
    live         BIGINT,
    links        TEXT,
    status       TEXT,
    answered_by  TEXT,
    requested_at TEXT,
    answered_at  TEXT,
    position     BIGINT NOT NULL,
    removed      BOOLEAN NOT NULL,
    PRIMARY KEY (approval)
);

-- name: list
SELECT * FROM approvals
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR status = $1) AND (CAST($2 AS TEXT) IS NULL OR approval > $2)
ORDER BY approval LIMIT $3;

-- name: all
SELECT * FROM approvals
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR approval > $1)
ORDER BY approval LIMIT $2;
