-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect sqlite
-- anchor: parent 52955377fdc8d931
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
-- anchor: column role enum("admin", "member") as "TEXT" not null default "'member'"
-- anchor: column visits integer as "INTEGER" not null default "0"
-- anchor: column theme text as "TEXT"
-- anchor: column address text as "TEXT" not null default "'unknown'"
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: hash bb8078f0916e3ed1

-- BEFORE THE DEPLOYMENT: apply this before the new release starts, or when it starts. The previous
-- release continues to work.

-- Writes nothing, but takes the write lock: a transaction that has already read cannot wait for it.
UPDATE sessions SET id = id WHERE FALSE;

-- `address` keeps its default, so that the previous release can still insert.
ALTER TABLE sessions ADD COLUMN theme TEXT;
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT 'unknown';
