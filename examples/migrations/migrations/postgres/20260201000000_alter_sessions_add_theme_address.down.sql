-- REVERT: apply this when no process of the new release is left.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- DESTRUCTIVE: drops `theme`, `address` with all values.
ALTER TABLE sessions
    DROP COLUMN theme,
    DROP COLUMN address;
