-- REVERT: apply this when no process of the new release is left.

-- Writes nothing, and waits for who is writing: a transaction that had read before could not wait.
UPDATE sessions SET id = id WHERE FALSE;

-- DESTRUCTIVE: drops `theme`, `address` with every value.
ALTER TABLE sessions DROP COLUMN theme;
ALTER TABLE sessions DROP COLUMN address;
