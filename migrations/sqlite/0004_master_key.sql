-- Under which master key secrets are wrapped from now on (its public name), and the one before it while a rotation is under
-- way. Whoever wraps a secret compares in the same transaction, so that a process which still holds the key before cannot
-- leave one behind under it. Twin: migrations/postgres/0004_master_key.sql.
CREATE TABLE master_key (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id       TEXT    NOT NULL,
    previous TEXT,
    since    INTEGER NOT NULL
) STRICT;
