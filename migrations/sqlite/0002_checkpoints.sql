-- How far workers that are no projections have come. Twin: migrations/postgres/0002_checkpoints.sql.
-- Written and read only by src/adapters/sqlite/checkpoints.rs. A position is never lowered.
CREATE TABLE checkpoints (
    worker   TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL CHECK (position >= 0)
) STRICT;
