-- The way back: apply this when no process of the new release is left.

-- DESTRUCTIVE: drops `theme`, `address` with every value.
ALTER TABLE sessions DROP COLUMN theme;
ALTER TABLE sessions DROP COLUMN address;
