-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for a minute at most. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- DESTRUCTIVE: ends every session; their users log in again.
DROP TABLE sessions;
