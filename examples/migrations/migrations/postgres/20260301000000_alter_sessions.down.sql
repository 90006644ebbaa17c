-- REVERT WITH DOWNTIME: apply this while no process of the application runs.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for a minute at most. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Now, so that nobody writes between the statements below.
LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE;

-- The struct does not ask for this constraint any more, or for another, below.
ALTER TABLE sessions DROP CONSTRAINT sessions_role_check;
ALTER TABLE sessions RENAME COLUMN colour TO theme;

-- DESTRUCTIVE: ends the sessions whose `role` the table cannot hold.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member');

-- DESTRUCTIVE: ends the sessions whose `visits` the table cannot hold.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

-- Writes every row anew for the column's new type; the table is locked meanwhile.
-- The default goes, or is set anew for the new type.
ALTER TABLE sessions
    ALTER COLUMN visits DROP DEFAULT,
    ALTER COLUMN visits TYPE INTEGER USING visits::INTEGER,
    ALTER COLUMN visits SET DEFAULT 0,
    ADD COLUMN address TEXT NOT NULL DEFAULT 'unknown',
    ADD CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member'));
