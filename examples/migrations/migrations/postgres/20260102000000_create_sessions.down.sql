-- DESTRUCTIVE: ends every session; their users log in again.
DROP TABLE sessions;
