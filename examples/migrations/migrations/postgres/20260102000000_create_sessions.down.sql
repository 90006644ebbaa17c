-- Waits at most 450 milliseconds for each of 2 tables: together less than the second after which
-- PostgreSQL finds a deadlock, so that this gives up and not the application. Each statement runs
-- for a minute at most. If it gives up ("canceling statement due to lock timeout"), nothing has
-- changed: run it again.
SET LOCAL lock_timeout = '450ms';
SET LOCAL statement_timeout = '60s';

-- DESTRUCTIVE: ends every session; their users log in again.
DROP TABLE sessions;
