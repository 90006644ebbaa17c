-- REVERT WITH DOWNTIME: apply this while no process of the application runs.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Text that is too
-- long is refused, never truncated. The server closes the connection when it is idle for five
-- seconds. If a statement fails: close the connection that ran it, UPDATE _sqlx_migrations SET
-- success = TRUE WHERE NOT success; and run the migration again; but not after the comment below
-- that says that the change is done.
SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), @anchor_wait_timeout = IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout);
SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5, SESSION wait_timeout = 5;

-- Locked here so that nobody writes between the statements below.
LOCK TABLES sessions WRITE;

-- Drops `sessions_role_check`, unless an earlier run has dropped it.
SET @anchor_step = IF(EXISTS (
    SELECT 1 FROM information_schema.table_constraints
    WHERE constraint_schema = DATABASE() AND table_name = 'sessions' AND constraint_name = 'sessions_role_check'
), 'ALTER TABLE sessions DROP CONSTRAINT sessions_role_check', 'DO 0');

PREPARE anchor_step FROM @anchor_step;
EXECUTE anchor_step;
DEALLOCATE PREPARE anchor_step;

-- DESTRUCTIVE: ends the sessions whose `role` does not fit its new definition.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member') OR role LIKE '% ';

-- DESTRUCTIVE: ends the sessions whose `visits` does not fit its new definition.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

ALTER TABLE sessions
    DROP INDEX sessions_colour_idx,
    MODIFY COLUMN visits INTEGER NOT NULL DEFAULT 0,
    CHANGE COLUMN colour theme LONGTEXT,
    ADD COLUMN address LONGTEXT NOT NULL DEFAULT ('unknown'),
    ADD CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member'));

-- The change is done here. If a later statement fails, run the remaining ones by hand, and DELETE
-- FROM _sqlx_migrations WHERE NOT success;
UNLOCK TABLES;
SET SESSION sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), SESSION lock_wait_timeout = DEFAULT, SESSION wait_timeout = CAST(IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout) AS SIGNED);
SET @anchor_sql_mode = NULL, @anchor_wait_timeout = NULL;
