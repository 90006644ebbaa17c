-- Whether the user has logged out everywhere since the move: no old session is taken over then.
ALTER TABLE users ADD COLUMN old_sessions_ended BOOLEAN NOT NULL DEFAULT FALSE;
