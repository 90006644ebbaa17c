-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect postgres
-- anchor: parent 6b7931775c96807f
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
-- anchor: column role enum("admin", "member") as "TEXT" not null default "'member'"
-- anchor: column visits integer as "INTEGER" not null default "0"
-- anchor: column theme text as "TEXT"
-- anchor: column address text as "TEXT" not null default "'unknown'"
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: hash 13cdf22aee317605

-- BEFORE THE DEPLOYMENT: apply this before the new release starts, or when it starts. The previous
-- release continues to work.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- `address` keeps its default, so that the previous release can still insert.
ALTER TABLE sessions
    ADD COLUMN theme TEXT,
    ADD COLUMN address TEXT NOT NULL DEFAULT 'unknown';
