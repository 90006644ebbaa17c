-- REVERT WITH DOWNTIME: apply this while no process of the application runs.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Locked here so that nobody writes between the statements below.
LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE;

-- The struct no longer has this constraint, or has another one, which is added below.
ALTER TABLE sessions DROP CONSTRAINT sessions_role_check;
ALTER TABLE sessions RENAME COLUMN colour TO theme;

-- DESTRUCTIVE: ends the sessions whose `role` does not fit its new definition.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member');

-- DESTRUCTIVE: ends the sessions whose `visits` does not fit its new definition.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

-- Rewrites every row for the column's new type; the table is locked in the meantime.
-- The default is dropped, or set again for the new type.
ALTER TABLE sessions
    ALTER COLUMN visits DROP DEFAULT,
    ALTER COLUMN visits TYPE INTEGER USING visits::INTEGER,
    ALTER COLUMN visits SET DEFAULT 0,
    ADD COLUMN address TEXT NOT NULL DEFAULT 'unknown',
    ADD CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member'));
