-- The way back, in DOWNTIME: apply this while no process of the application runs.

-- Builds the table anew, for ALTER TABLE cannot do this on SQLite. Fails, and changes nothing, if
-- the table has columns, indexes or triggers that the struct does not know: take them away before,
-- and create them again after it.
CREATE TEMPORARY TABLE anchor_asserts (
    n0 INT,
    n1 INT,
    n2 INT,
    n3 INT,
    CONSTRAINT "the table has a column that the struct does not know" CHECK (n0 = 0),
    CONSTRAINT "the table has an index that the struct does not know" CHECK (n1 = 0),
    CONSTRAINT "the table has a trigger" CHECK (n2 = 0),
    CONSTRAINT "a table references this one ON UPDATE, or not its id" CHECK (n3 = 0)
);

INSERT INTO anchor_asserts SELECT
    (SELECT COUNT(*) FROM pragma_table_xinfo('sessions') WHERE name COLLATE NOCASE NOT IN ('id', 'lasting_hash', 'secret_hash', 'previous_secret_hash', 'previous_secret_until', 'rotation_state', 'created_at', 'authenticated_at', 'last_seen_at', 'expires_at', 'deadline', 'version', 'remembered', 'user_id', 'role', 'visits', 'colour')),
    (SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'sessions' COLLATE NOCASE AND sql IS NOT NULL AND name COLLATE NOCASE NOT IN ('sessions_expires_at_idx', 'sessions_user_id_idx', 'sessions_colour_idx')),
    (SELECT COUNT(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'sessions' COLLATE NOCASE),
    (SELECT COUNT(*) FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS key WHERE child.type = 'table' AND key."table" = 'sessions' COLLATE NOCASE AND (key.on_update <> 'NO ACTION' OR COALESCE(key."to", 'id') <> 'id' COLLATE NOCASE));

DROP TABLE anchor_asserts;

-- DESTRUCTIVE: ends the sessions whose `role` the table cannot hold.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member');

-- DESTRUCTIVE: ends the sessions whose `visits` the table cannot hold.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

CREATE TEMPORARY TABLE anchor_rows AS SELECT
    `id`, `lasting_hash`, `secret_hash`, `previous_secret_hash`, `previous_secret_until`,
    `rotation_state`, `created_at`, `authenticated_at`, `last_seen_at`, `expires_at`, `deadline`,
    `version`, `remembered`, `user_id`, `role`, `visits`, `colour`
FROM sessions;

-- Other ids, so that what references the rows stays when the table is dropped.
PRAGMA defer_foreign_keys = ON;
UPDATE sessions SET `id` = CAST('gone ' || HEX(`id`) AS BLOB);
DROP TABLE sessions;

CREATE TABLE sessions (
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

INSERT INTO sessions (
    id, lasting_hash, secret_hash, previous_secret_hash, previous_secret_until, rotation_state,
    created_at, authenticated_at, last_seen_at, expires_at, deadline, version, remembered, user_id,
    role, visits, theme
)
SELECT
    `id`, `lasting_hash`, `secret_hash`, `previous_secret_hash`, `previous_secret_until`,
    `rotation_state`, `created_at`, `authenticated_at`, `last_seen_at`, `expires_at`, `deadline`,
    `version`, `remembered`, `user_id`, `role`, `visits`, `colour`
FROM temp.anchor_rows;

DROP TABLE temp.anchor_rows;
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
