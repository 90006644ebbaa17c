-- REVERT: apply this before the revert of the previous file.

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Dropping an
-- index reads no row. If it gives up ("canceling statement due to lock timeout"), nothing has
-- changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';
DROP INDEX sessions_colour_idx;
