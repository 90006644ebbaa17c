-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect sqlite
-- anchor: parent bb8078f0916e3ed1
-- anchor: column id uuid as "BLOB" not null primary key
-- anchor: column lasting_hash bytes as "BLOB" not null
-- anchor: column secret_hash bytes as "BLOB" not null
-- anchor: column previous_secret_hash bytes as "BLOB"
-- anchor: column previous_secret_until timestamp as "INTEGER"
-- anchor: column rotation_state enum("settled", "exchangeable", "pending") as "TEXT" not null default "'settled'"
-- anchor: column created_at timestamp as "INTEGER" not null
-- anchor: column authenticated_at timestamp as "INTEGER" not null
-- anchor: column last_seen_at timestamp as "INTEGER" not null
-- anchor: column expires_at timestamp as "INTEGER" not null
-- anchor: column deadline timestamp as "INTEGER" not null
-- anchor: column version bigint as "INTEGER" not null
-- anchor: column remembered bool as "BOOLEAN" not null default "TRUE"
-- anchor: column user_id bigint as "INTEGER" not null references users(id) on delete cascade
-- anchor: column role enum("admin", "member", "guest") as "TEXT" not null default "'member'"
-- anchor: column visits bigint as "INTEGER" not null default "0"
-- anchor: column colour text as "TEXT" was theme
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: index sessions_colour_idx on colour
-- anchor: hash bf0720fa14a531ec

-- DOWNTIME: apply this while no process of the application runs, and start the new release
-- afterwards. An application of one process that applies its migrations when it starts does this
-- anyway.

-- Writes nothing, but takes the write lock: a transaction that has already read cannot wait for it.
UPDATE sessions SET id = id WHERE FALSE;

-- RENAMED: releases that use `theme` instead of `colour` fail from here on; stop them first. To
-- avoid that, keep the name with #[session(column = "theme")], without a migration.
-- DESTRUCTIVE: drops `address` with all values.
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
        (24, ', role TEXT NOT NULL DEFAULT ''member'' CHECK (role IN (''admin'', ''member'')),'),
        (25, ', visits INTEGER NOT NULL DEFAULT 0,'),
        (26, ', theme TEXT,'),
        (27, ', address TEXT NOT NULL DEFAULT ''unknown'',')
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
SELECT TRIM(text, ',') AS text FROM rest WHERE n = 27;

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
    (SELECT COUNT(*) FROM pragma_table_xinfo('sessions') WHERE name COLLATE NOCASE NOT IN ('id', 'lasting_hash', 'secret_hash', 'previous_secret_hash', 'previous_secret_until', 'rotation_state', 'created_at', 'authenticated_at', 'last_seen_at', 'expires_at', 'deadline', 'version', 'remembered', 'user_id', 'role', 'visits', 'theme', 'address')),
    (SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'sessions' COLLATE NOCASE AND UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(sql, ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')) NOT IN (UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE('CREATE INDEX sessions_expires_at_idx ON sessions (expires_at)', ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')), UPPER(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE('CREATE INDEX sessions_user_id_idx ON sessions (user_id)', ' ', ''), '"', ''), CHAR(9), ''), CHAR(10), ''), CHAR(13), '')))),
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

CREATE TEMPORARY TABLE anchor_rows AS SELECT
    `id`, `lasting_hash`, `secret_hash`, `previous_secret_hash`, `previous_secret_until`,
    `rotation_state`, `created_at`, `authenticated_at`, `last_seen_at`, `expires_at`, `deadline`,
    `version`, `remembered`, `user_id`, `role`, `visits`, `theme`
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
    role                   TEXT     NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member', 'guest')),
    visits                 INTEGER  NOT NULL DEFAULT 0,
    colour                 TEXT
);

INSERT INTO sessions (
    id, lasting_hash, secret_hash, previous_secret_hash, previous_secret_until, rotation_state,
    created_at, authenticated_at, last_seen_at, expires_at, deadline, version, remembered, user_id,
    role, visits, colour
)
SELECT
    `id`, `lasting_hash`, `secret_hash`, `previous_secret_hash`, `previous_secret_until`,
    `rotation_state`, `created_at`, `authenticated_at`, `last_seen_at`, `expires_at`, `deadline`,
    `version`, `remembered`, `user_id`, `role`, `visits`, `theme`
FROM temp.anchor_rows;

DROP TABLE temp.anchor_rows;
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_colour_idx ON sessions (colour);
