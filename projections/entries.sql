-- Which link does an entry belong to, even without its marker? Used when a listing is read.
-- Mapping: src/projections/entries.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE entries (
    link       TEXT NOT NULL,
    remote     TEXT NOT NULL,
    generation BIGINT,
    role       TEXT,
    seen       TEXT,
    seen_etag  TEXT,
    seen_at    TEXT,
    position   BIGINT NOT NULL,
    removed    BOOLEAN NOT NULL,
    PRIMARY KEY (link, remote)
);
CREATE INDEX entries_remote ON entries (remote);

-- name: link_of
SELECT entries.* FROM entries JOIN links ON links.link = entries.link
WHERE entries.remote = $3 AND entries.removed = FALSE
  AND links.connection = $1 AND links.calendar = $2 AND links.removed = FALSE
ORDER BY entries.link;

-- name: all
SELECT * FROM entries
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR (link, remote) > ($1, $2))
ORDER BY link, remote LIMIT $3;
