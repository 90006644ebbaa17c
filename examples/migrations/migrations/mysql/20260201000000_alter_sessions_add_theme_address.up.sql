-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect mysql
-- anchor: parent 2cacb64f9546bc63
-- anchor: column id uuid as "BINARY(16)" not null primary key
-- anchor: column lasting_hash bytes as "BINARY(32)" not null
-- anchor: column secret_hash bytes as "BINARY(32)" not null
-- anchor: column previous_secret_hash bytes as "BINARY(32)"
-- anchor: column previous_secret_until timestamp as "DATETIME(6)"
-- anchor: column rotation_state enum("settled", "exchangeable", "pending") as "VARCHAR(255)" not null default "'settled'"
-- anchor: column created_at timestamp as "DATETIME(6)" not null
-- anchor: column authenticated_at timestamp as "DATETIME(6)" not null
-- anchor: column last_seen_at timestamp as "DATETIME(6)" not null
-- anchor: column expires_at timestamp as "DATETIME(6)" not null
-- anchor: column deadline timestamp as "DATETIME(6)" not null
-- anchor: column version bigint as "BIGINT" not null
-- anchor: column remembered bool as "BOOLEAN" not null default "TRUE"
-- anchor: column user_id bigint as "BIGINT" not null references users(id) on delete cascade
-- anchor: column role enum("admin", "member") as "VARCHAR(255)" not null default "'member'"
-- anchor: column visits integer as "INTEGER" not null default "0"
-- anchor: column theme text as "LONGTEXT"
-- anchor: column address text as "LONGTEXT" not null default "'unknown'"
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: hash 50ea5bfca2e7dc35

-- BEFORE THE DEPLOYMENT: apply this before the new release starts, or when it starts. The previous
-- release continues to work.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Text that is too
-- long is refused, never truncated. The server closes the connection when it is idle for five
-- seconds. If a statement fails: close the connection that ran it, DELETE FROM _sqlx_migrations
-- WHERE NOT success; and run the migration again; but not after the comment below that says that
-- the change is done.
SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), @anchor_wait_timeout = IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout);
SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5, SESSION wait_timeout = 5;

-- `address` keeps its default, so that the previous release can still insert.
ALTER TABLE sessions
    ADD COLUMN theme LONGTEXT,
    ADD COLUMN address LONGTEXT NOT NULL DEFAULT ('unknown');

-- The change is done here. If a later statement fails, run the remaining ones by hand, and UPDATE
-- _sqlx_migrations SET success = TRUE WHERE NOT success;
SET SESSION sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), SESSION lock_wait_timeout = DEFAULT, SESSION wait_timeout = CAST(IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout) AS SIGNED);
SET @anchor_sql_mode = NULL, @anchor_wait_timeout = NULL;
