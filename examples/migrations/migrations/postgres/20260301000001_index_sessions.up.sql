-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect postgres
-- anchor: parent 16c0e18b7f2ff245
-- anchor: step 2 of 3
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
-- anchor: hash 7c57a1878eb12ba1

-- Apply this together with the previous file.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Writes wait while the index is built, about a second for a million sessions. If that is too long,
-- build it before the deployment, and this statement finds it: CREATE INDEX CONCURRENTLY
-- sessions_colour_idx ON sessions (colour). Anything else with its name is refused.
DO $anchor$ BEGIN
    IF EXISTS (
        SELECT FROM pg_class AS found LEFT JOIN pg_index ON indexrelid = found.oid
        WHERE relname = 'sessions_colour_idx'
        AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'sessions'::regclass)
        AND (
            indrelid = 'sessions'::regclass AND NOT indisunique AND indisvalid
            AND split_part(pg_get_indexdef(indexrelid), ' USING ', 2)
                = 'btree (' || quote_ident('colour') || ')'
        ) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'sessions_colour_idx exists, and is INVALID or not the index on sessions (colour): run `DROP INDEX CONCURRENTLY sessions_colour_idx`, then this migration again';
    END IF;
END $anchor$;

CREATE INDEX IF NOT EXISTS sessions_colour_idx ON sessions (colour);
