-- REVERT: apply this when no process of the new release is left.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Text that is too
-- long is refused, never truncated. The server closes the connection when it is idle for five
-- seconds. If a statement fails: close the connection that ran it, UPDATE _sqlx_migrations SET
-- success = TRUE WHERE NOT success; and run the migration again; but not after the comment below
-- that says that the change is done.
SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), @anchor_wait_timeout = IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout);
SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5, SESSION wait_timeout = 5;

-- DESTRUCTIVE: drops `theme`, `address` with all values.
ALTER TABLE sessions
    DROP COLUMN theme,
    DROP COLUMN address;

-- The change is done here. If a later statement fails, run the remaining ones by hand, and DELETE
-- FROM _sqlx_migrations WHERE NOT success;
SET SESSION sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), SESSION lock_wait_timeout = DEFAULT, SESSION wait_timeout = CAST(IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout) AS SIGNED);
SET @anchor_sql_mode = NULL, @anchor_wait_timeout = NULL;
