-- The way back, in DOWNTIME: apply this while no process of the application runs.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. If it gives up
-- ("Lock wait timeout exceeded") at its first ALTER or LOCK, nothing has changed: UPDATE
-- _sqlx_migrations SET success = TRUE WHERE NOT success; and run it again. Text that is too long is
-- refused, and never cut.
SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode);
SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5;

-- Now, so that nobody writes between the statements below.
LOCK TABLES sessions WRITE, users WRITE;
ALTER TABLE sessions DROP CONSTRAINT sessions_role_check;

-- DESTRUCTIVE: ends the sessions whose `role` the table cannot hold.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member');

-- DESTRUCTIVE: ends the sessions whose `visits` the table cannot hold.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

-- If this fails, end the connection that ran it, run the following, and then the migration again:
-- UPDATE _sqlx_migrations SET success = TRUE WHERE NOT success; ALTER TABLE sessions ADD CONSTRAINT
-- sessions_role_check CHECK (role IN ('admin', 'member', 'guest'));
ALTER TABLE sessions
    DROP INDEX sessions_colour_idx,
    MODIFY COLUMN visits INTEGER NOT NULL DEFAULT 0,
    CHANGE COLUMN colour theme LONGTEXT,
    ADD COLUMN address LONGTEXT NOT NULL DEFAULT ('unknown'),
    ADD CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member'));

UNLOCK TABLES;
SET SESSION sql_mode = @anchor_sql_mode, SESSION lock_wait_timeout = DEFAULT;
SET @anchor_sql_mode = NULL;
