-- DESTRUCTIVE: drops `theme`, `address` with every value.
ALTER TABLE sessions
    DROP COLUMN theme,
    DROP COLUMN address;
