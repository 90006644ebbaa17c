-- REVERT: apply this when no process of the new release is left.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Text that is too
-- long is refused, and never cut. The server ends the connection when it is idle for five seconds.
-- If it fails: end the connection that ran it, UPDATE _sqlx_migrations SET success = TRUE WHERE NOT
-- success; and run it again; but not once the change is done, which a comment below says.
SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), @anchor_wait_timeout = IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout);
SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5, SESSION wait_timeout = 5;

-- DESTRUCTIVE: drops `theme`, `address` with every value.
ALTER TABLE sessions
    DROP COLUMN theme,
    DROP COLUMN address;

-- The change is done here. If it fails from here on, run what is left by hand, and DELETE FROM
-- _sqlx_migrations WHERE NOT success;
SET SESSION sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), SESSION lock_wait_timeout = DEFAULT, SESSION wait_timeout = CAST(IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout) AS SIGNED);
SET @anchor_sql_mode = NULL, @anchor_wait_timeout = NULL;
