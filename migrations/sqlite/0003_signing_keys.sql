-- Keys that checkpoints are signed with (Ed25519). The private half is wrapped under the master key `master` (its public
-- name) and goes when the key is retired; the public half stays, so that what it signed can be verified for ever.
-- Twin: migrations/postgres/0003_signing_keys.sql.
CREATE TABLE signing_keys (
    public     BLOB    NOT NULL PRIMARY KEY CHECK (length(public) = 32),
    name       TEXT    NOT NULL,
    master     TEXT,
    nonce      BLOB,
    wrapped    BLOB,
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    CHECK ((retired_at IS NULL) = (wrapped IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (nonce IS NULL) AND (wrapped IS NULL) = (master IS NULL))
) STRICT, WITHOUT ROWID;

-- One is in use.
CREATE UNIQUE INDEX signing_keys_in_use ON signing_keys (name) WHERE retired_at IS NULL;
