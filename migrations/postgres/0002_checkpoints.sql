-- How far workers that are no projections have come. Twin: migrations/sqlite/0002_checkpoints.sql.
-- Written and read only by src/adapters/postgres/checkpoints.rs. A position is never lowered.
CREATE TABLE checkpoints (
    worker   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    position BIGINT           NOT NULL CHECK (position >= 0)
);
