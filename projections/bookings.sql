-- Which bookings exist, and which overlap a slot? Used by the API and the reconciler (overlaps).
-- Mapping: src/projections/bookings.rs. Reads and upserts by key are built from its columns.

-- name: create
CREATE TABLE bookings (
    booking           TEXT NOT NULL,
    source            TEXT,
    source_ref        TEXT,
    resource          TEXT,
    starts_at         TEXT,
    ends_at           TEXT,
    from_day          TEXT,
    until_day         TEXT,
    zone              TEXT,
    blocks_from       TEXT,
    blocks_until      TEXT,
    status            TEXT,
    cancel_reason     TEXT,
    was_confirmed     BOOLEAN,
    revision          BIGINT,
    source_revision   BIGINT,
    subject           TEXT,
    title             TEXT,
    notes             TEXT,
    customer_name     TEXT,
    customer_email    TEXT,
    customer_phone    TEXT,
    removal_marked_at TEXT,
    registered_at     TEXT,
    changed_at        TEXT,
    position          BIGINT NOT NULL,
    removed           BOOLEAN NOT NULL,
    PRIMARY KEY (booking)
);
CREATE INDEX bookings_by_time ON bookings (resource, blocks_from);
CREATE INDEX bookings_list ON bookings (blocks_from, booking);
CREATE INDEX bookings_subject ON bookings (subject);

-- name: one
SELECT * FROM bookings WHERE booking = $1 AND removed = FALSE;

-- name: list
SELECT * FROM bookings
WHERE removed = FALSE
  AND (CAST($1 AS TEXT) IS NULL OR status = $1)
  AND (CAST($2 AS TEXT) IS NULL OR resource = $2)
  AND (CAST($3 AS TEXT) IS NULL OR source = $3)
  AND (CAST($4 AS TEXT) IS NULL OR blocks_until > $4)
  AND (CAST($5 AS TEXT) IS NULL OR blocks_from < $5)
  AND (CAST($6 AS TEXT) IS NULL OR (blocks_from, booking) > ($6, $7))
ORDER BY blocks_from, booking LIMIT $8;

-- name: overlapping
-- A booking lasts a year at most, which bounds the search from below: $5 is $2 less that year.
SELECT * FROM bookings
WHERE removed = FALSE AND resource = $1 AND status <> 'cancelled'
  AND blocks_from < $3 AND blocks_from > $5 AND blocks_until > $2
  AND (CAST($4 AS TEXT) IS NULL OR booking <> $4)
ORDER BY blocks_from, booking;

-- name: of_subject
SELECT * FROM bookings
WHERE removed = FALSE AND subject = $1 AND (CAST($2 AS TEXT) IS NULL OR booking > $2)
ORDER BY booking LIMIT $3;

-- name: all
SELECT * FROM bookings
WHERE removed = FALSE AND (CAST($1 AS TEXT) IS NULL OR booking > $1)
ORDER BY booking LIMIT $2;
