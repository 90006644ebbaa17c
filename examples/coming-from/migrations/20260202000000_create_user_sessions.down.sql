-- Waits at most 450 milliseconds for each of 2 tables, in total less than one second. After a
-- second, PostgreSQL looks for a deadlock, and may end a request of the application. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '450ms';
SET LOCAL statement_timeout = '60s';

-- DESTRUCTIVE: ends every session; their users log in again.
DROP TABLE user_sessions;
