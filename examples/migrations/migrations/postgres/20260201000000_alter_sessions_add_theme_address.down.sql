-- Waits at most five seconds for its locks, so that nobody waits longer behind it. If it gives up
-- ("canceling statement due to lock timeout"), nothing has changed: run it again.
SET LOCAL lock_timeout = '5s';

-- DESTRUCTIVE: drops `theme`, `address` with every value.
ALTER TABLE sessions
    DROP COLUMN theme,
    DROP COLUMN address;
