-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect postgres
-- anchor: parent 13cdf22aee317605
-- anchor: step 1 of 3
-- anchor: column id uuid as "UUID" not null primary key
-- anchor: column lasting_hash bytes as "BYTEA" not null
-- anchor: column secret_hash bytes as "BYTEA" not null
-- anchor: column previous_secret_hash bytes as "BYTEA"
-- anchor: column previous_secret_until timestamp as "TIMESTAMPTZ"
-- anchor: column rotation_state enum("settled", "exchangeable", "pending") as "TEXT" not null default "'settled'"
-- anchor: column created_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column authenticated_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column last_seen_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column expires_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column deadline timestamp as "TIMESTAMPTZ" not null
-- anchor: column version bigint as "BIGINT" not null
-- anchor: column remembered bool as "BOOLEAN" not null default "TRUE"
-- anchor: column user_id bigint as "BIGINT" not null references users(id) on delete cascade
-- anchor: column role enum("admin", "member", "guest") as "TEXT" not null default "'member'"
-- anchor: column visits bigint as "BIGINT" not null default "0"
-- anchor: column colour text as "TEXT" was theme
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: hash 16c0e18b7f2ff245

-- DOWNTIME: apply this while no process of the application runs, and start the new release
-- afterwards. An application of one process that applies its migrations when it starts does this
-- anyway.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- RENAMED: releases that use `theme` instead of `colour` fail from here on; stop them first. To
-- avoid that, keep the name with #[session(column = "theme")], without a migration.
-- DESTRUCTIVE: drops `address` with all values.
-- The struct no longer has this constraint, or has another one, which is added below.
ALTER TABLE sessions DROP CONSTRAINT sessions_role_check;
ALTER TABLE sessions RENAME COLUMN theme TO colour;

-- Rewrites every row for the column's new type; the table is locked in the meantime.
-- The default is dropped, or set again for the new type.
ALTER TABLE sessions
    DROP COLUMN address,
    ALTER COLUMN visits DROP DEFAULT,
    ALTER COLUMN visits TYPE BIGINT USING visits::BIGINT,
    ALTER COLUMN visits SET DEFAULT 0,
    ADD CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member', 'guest')) NOT VALID;
