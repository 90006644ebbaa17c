-- no-transaction

-- DESTRUCTIVE: ends the sessions whose `role` the table cannot hold.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member');

-- DESTRUCTIVE: ends the sessions whose `visits` the table cannot hold.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

-- Builds the table anew, for ALTER TABLE cannot do this on SQLite. Triggers and views of your own
-- on it: create them again below.
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;

CREATE TABLE anchor_new_sessions (
    id                     BLOB     NOT NULL PRIMARY KEY,   -- UUID, 16 bytes
    lasting_hash           BLOB     NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BLOB     NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BLOB,                            -- the one before the last rotation
    previous_secret_until  INTEGER,                         -- microseconds since 1970, UTC
    rotation_state         TEXT     NOT NULL DEFAULT 'settled' CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    created_at             INTEGER  NOT NULL,
    authenticated_at       INTEGER  NOT NULL,
    last_seen_at           INTEGER  NOT NULL,
    expires_at             INTEGER  NOT NULL,               -- moves with use, never past the deadline
    deadline               INTEGER  NOT NULL,
    version                INTEGER  NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN  NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    user_id                INTEGER  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role                   TEXT     NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member')),
    visits                 INTEGER  NOT NULL DEFAULT 0,
    theme                  TEXT,
    address                TEXT     NOT NULL DEFAULT 'unknown'
);

INSERT INTO anchor_new_sessions (
    id, lasting_hash, secret_hash, previous_secret_hash, previous_secret_until, rotation_state,
    created_at, authenticated_at, last_seen_at, expires_at, deadline, version, remembered, user_id,
    role, visits, theme
)
SELECT
    id, lasting_hash, secret_hash, previous_secret_hash, previous_secret_until, rotation_state,
    created_at, authenticated_at, last_seen_at, expires_at, deadline, version, remembered, user_id,
    role, visits, colour
FROM sessions;

DROP TABLE sessions;
PRAGMA legacy_alter_table = ON;
ALTER TABLE anchor_new_sessions RENAME TO sessions;
PRAGMA legacy_alter_table = OFF;
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
COMMIT;
PRAGMA foreign_keys = ON;
