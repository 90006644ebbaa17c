-- Waits at most five seconds for its locks, so that nobody waits longer behind it. If it gives up
-- at its first statements ("Lock wait timeout exceeded"), nothing has changed: run it again. Text
-- that is too long is refused, and never cut.
SET @anchor_sql_mode = @@SESSION.sql_mode, @anchor_lock_wait = @@SESSION.lock_wait_timeout;
SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5;

-- DESTRUCTIVE: drops `theme`, `address` with every value.
ALTER TABLE sessions
    DROP COLUMN theme,
    DROP COLUMN address;

SET SESSION sql_mode = @anchor_sql_mode, SESSION lock_wait_timeout = @anchor_lock_wait;
