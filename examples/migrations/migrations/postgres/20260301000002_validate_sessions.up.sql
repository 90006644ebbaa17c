-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect postgres
-- anchor: parent 7c57a1878eb12ba1
-- anchor: step 3 of 3
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
-- anchor: index sessions_colour_idx on colour
-- anchor: hash 2082bac75d1bc6a1

-- Apply this together with the previous file.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. After that it
-- blocks nobody, however long it runs. If it gives up ("canceling statement due to lock timeout"),
-- nothing has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '0';

-- Checks the rows that existed before the constraint, while they are read and written.
ALTER TABLE sessions VALIDATE CONSTRAINT sessions_role_check;
