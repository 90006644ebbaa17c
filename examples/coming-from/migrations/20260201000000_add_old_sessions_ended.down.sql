ALTER TABLE users DROP COLUMN old_sessions_ended;
