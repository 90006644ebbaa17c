-- REVERT WITH DOWNTIME: apply this while no process of the application runs.

-- Writes nothing, but takes the write lock: a transaction that has already read cannot wait for it.
UPDATE sessions SET id = id WHERE FALSE;

-- Rebuilds the table, because ALTER TABLE cannot make this change on SQLite. Fails without changes
-- if the table has anything that is not in the struct: columns, indexes, triggers, CHECK, UNIQUE,
-- COLLATE, foreign keys, STRICT, WITHOUT ROWID. Drop it before, and create it again afterwards; or
-- add it to the CREATE TABLE below, and delete the four statements with anchor_left and
-- anchor_asserts.
CREATE TEMPORARY TABLE anchor_left AS WITH RECURSIVE
    written (n, text) AS (VALUES
        (1, 'CREATE TABLE sessions ('),
        (2, '-- SHA-256 of the secret''s lasting half'),
        (3, '-- SHA-256 of the token''s secret'),
        (4, '-- UUID, 16 bytes'),
        (5, '-- counts the payload''s updates'),
        (6, '-- microseconds since 1970, UTC'),
        (7, '-- moves with use, never past the deadline'),
        (8, '-- the one before the last rotation'),
        (9, '-- whether the cookie outlives the browser'),
        (10, ', id BLOB NOT NULL PRIMARY KEY,'),
        (11, ', lasting_hash BLOB NOT NULL,'),
        (12, ', secret_hash BLOB NOT NULL,'),
        (13, ', previous_secret_hash BLOB,'),
        (14, ', previous_secret_until INTEGER,'),
        (15, ', rotation_state TEXT NOT NULL DEFAULT ''settled'' CHECK (rotation_state IN (''settled'', ''exchangeable'', ''pending'')),'),
        (16, ', created_at INTEGER NOT NULL,'),
        (17, ', authenticated_at INTEGER NOT NULL,'),
        (18, ', last_seen_at INTEGER NOT NULL,'),
        (19, ', expires_at INTEGER NOT NULL,'),
        (20, ', deadline INTEGER NOT NULL,'),
        (21, ', version INTEGER NOT NULL,'),
        (22, ', remembered BOOLEAN NOT NULL DEFAULT TRUE,'),
        (23, ', user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,'),
        (24, ', role TEXT NOT NULL DEFAULT ''member'' CHECK (role IN (''admin'', ''member'', ''guest'')),'),
        (25, ', visits INTEGER NOT NULL DEFAULT 0,'),
        (26, ', colour TEXT,')
    ),
    present (text) AS (
        SELECT CASE WHEN sql LIKE '%)' THEN SUBSTR(sql, 1, LENGTH(sql) - 1) ELSE sql END || ','
        FROM sqlite_schema WHERE type = 'table' AND name = 'sessions' COLLATE NOCASE
    ),
    rest (n, text) AS (
        SELECT 0, UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(text, ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')) FROM present
        UNION ALL
        SELECT written.n, REPLACE(rest.text, UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(written.text, ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')), ',')
        FROM rest JOIN written ON written.n = rest.n + 1
    )
SELECT TRIM(text, ',') AS text FROM rest WHERE n = 26;

CREATE TEMPORARY TABLE anchor_asserts (
    n0 INT,
    n1 INT,
    n2 INT,
    n3 INT,
    n4 INT,
    n5 INT,
    n6 INT,
    n7 INT,
    n8 INT,
    n9 INT,
    n10 INT,
    n11 INT,
    CONSTRAINT "the table has a column that the struct does not know" CHECK (n0 = 0),
    CONSTRAINT "the table has an index that the struct does not know" CHECK (n1 = 0),
    CONSTRAINT "the table has a trigger" CHECK (n2 = 0),
    CONSTRAINT "a table references this one ON UPDATE, or not its id" CHECK (n3 = 0),
    CONSTRAINT "the table has a COLLATE that the struct does not know" CHECK (n4 = 0),
    CONSTRAINT "the table has a UNIQUE that the struct does not know" CHECK (n5 = 0),
    CONSTRAINT "the table has STRICT or WITHOUT ROWID that the struct does not know" CHECK (n6 = 0),
    CONSTRAINT "the table has a foreign key that the struct does not know" CHECK (n7 = 0),
    CONSTRAINT "the table has a CHECK that the struct does not know" CHECK (n8 = 0),
    CONSTRAINT "the table has something that the struct does not know" CHECK (n9 = 0),
    CONSTRAINT "a view reads the table, and its columns change" CHECK (n10 = 0),
    CONSTRAINT "a trigger reads or writes the table, and its columns change" CHECK (n11 = 0)
);

INSERT INTO anchor_asserts SELECT
    (SELECT COUNT(*) FROM pragma_table_xinfo('sessions') WHERE name COLLATE NOCASE NOT IN ('id', 'lasting_hash', 'secret_hash', 'previous_secret_hash', 'previous_secret_until', 'rotation_state', 'created_at', 'authenticated_at', 'last_seen_at', 'expires_at', 'deadline', 'version', 'remembered', 'user_id', 'role', 'visits', 'colour')),
    (SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'sessions' COLLATE NOCASE AND UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(sql, ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')) NOT IN (UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE('CREATE INDEX sessions_expires_at_idx ON sessions (expires_at)', ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')), UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE('CREATE INDEX sessions_user_id_idx ON sessions (user_id)', ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')), UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE('CREATE INDEX sessions_colour_idx ON sessions (colour)', ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')))),
    (SELECT COUNT(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'sessions' COLLATE NOCASE),
    (SELECT COUNT(*) FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS key WHERE child.type = 'table' AND key."table" = 'sessions' COLLATE NOCASE AND (key.on_update <> 'NO ACTION' OR COALESCE(key."to", 'id') <> 'id' COLLATE NOCASE)),
    (SELECT COUNT(*) FROM temp.anchor_left WHERE text LIKE '%COLLATE%'),
    (SELECT COUNT(*) FROM temp.anchor_left WHERE text LIKE '%UNIQUE%'),
    (SELECT COUNT(*) FROM temp.anchor_left WHERE text GLOB '*)*STRICT*' OR text GLOB '*)*WITHOUTROWID*'),
    (SELECT COUNT(*) FROM temp.anchor_left WHERE text LIKE '%REFERENCES%'),
    (SELECT COUNT(*) FROM temp.anchor_left WHERE text LIKE '%CHECK(%'),
    (SELECT COUNT(*) FROM temp.anchor_left WHERE text <> ''),
    (SELECT COUNT(*) FROM sqlite_schema WHERE type = 'view' AND LOWER(sql) || ' ' GLOB '*[^a-z0-9_]sessions[^a-z0-9_]*'),
    (SELECT COUNT(*) FROM sqlite_schema WHERE type = 'trigger' AND LOWER(sql) || ' ' GLOB '*[^a-z0-9_]sessions[^a-z0-9_]*');

DROP TABLE anchor_asserts;
DROP TABLE temp.anchor_left;

-- DESTRUCTIVE: ends the sessions whose `role` does not fit its new definition.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member');

-- DESTRUCTIVE: ends the sessions whose `visits` does not fit its new definition.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

CREATE TEMPORARY TABLE anchor_rows AS SELECT
    `id`, `lasting_hash`, `secret_hash`, `previous_secret_hash`, `previous_secret_until`,
    `rotation_state`, `created_at`, `authenticated_at`, `last_seen_at`, `expires_at`, `deadline`,
    `version`, `remembered`, `user_id`, `role`, `visits`, `colour`
FROM sessions;

-- Changes the ids, so that rows that reference these stay when the table is dropped.
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
