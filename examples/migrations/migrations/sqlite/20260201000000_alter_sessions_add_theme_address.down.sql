-- REVERT: apply this when no process of the new release is left.

-- Writes nothing, but takes the write lock: a transaction that has already read cannot wait for it.
UPDATE sessions SET id = id WHERE FALSE;

-- DESTRUCTIVE: drops `theme`, `address` with all values.
ALTER TABLE sessions DROP COLUMN theme;
ALTER TABLE sessions DROP COLUMN address;
