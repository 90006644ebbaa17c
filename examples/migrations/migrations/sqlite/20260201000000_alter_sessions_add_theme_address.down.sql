-- DESTRUCTIVE: drops `theme`, `address` with every value.
ALTER TABLE sessions DROP COLUMN theme;
ALTER TABLE sessions DROP COLUMN address;
