ALTER TABLE sessions DROP CONSTRAINT sessions_role_check;

-- DESTRUCTIVE: ends the sessions whose `role` the table cannot hold.
DELETE FROM sessions WHERE role NOT IN ('admin', 'member');

-- DESTRUCTIVE: ends the sessions whose `visits` the table cannot hold.
DELETE FROM sessions WHERE visits NOT BETWEEN -2147483648 AND 2147483647;

ALTER TABLE sessions
    DROP INDEX sessions_colour_idx,
    MODIFY COLUMN visits INTEGER NOT NULL DEFAULT 0,
    CHANGE COLUMN colour theme LONGTEXT,
    ADD COLUMN address LONGTEXT NOT NULL DEFAULT ('unknown'),
    ADD CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member'));
