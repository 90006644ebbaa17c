-- anchor: format 1
-- anchor: table registrations
-- anchor: dialect sqlite
-- anchor: parent none
-- anchor: column id uuid as "BLOB" not null primary key
-- anchor: column lasting_hash bytes as "BLOB" not null
-- anchor: column secret_hash bytes as "BLOB" not null
-- anchor: column previous_secret_hash bytes as "BLOB"
-- anchor: column previous_secret_until timestamp as "INTEGER"
-- anchor: column rotation_state enum("settled", "exchangeable", "pending") as "TEXT" not null default "'settled'"
-- anchor: column created_at timestamp as "INTEGER" not null
-- anchor: column authenticated_at timestamp as "INTEGER" not null
-- anchor: column last_seen_at timestamp as "INTEGER" not null
-- anchor: column expires_at timestamp as "INTEGER" not null
-- anchor: column deadline timestamp as "INTEGER" not null
-- anchor: column version bigint as "INTEGER" not null
-- anchor: column remembered bool as "BOOLEAN" not null default "TRUE"
-- anchor: column email text as "TEXT" not null
-- anchor: column name text as "TEXT" not null
-- anchor: column password_hash text as "TEXT" not null
-- anchor: index registrations_expires_at_idx on expires_at
-- anchor: index registrations_email_idx on email
-- anchor: hash 0bf1da64ff3f53dc

CREATE TABLE registrations (
    id                     BLOB     NOT NULL PRIMARY KEY,   -- UUID, 16 bytes
    lasting_hash           BLOB     NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BLOB     NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BLOB,                            -- the one before the last rotation
    previous_secret_until  INTEGER,                         -- microseconds since 1970, UTC
    rotation_state         TEXT     NOT NULL DEFAULT 'settled' CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    created_at             INTEGER  NOT NULL,
    authenticated_at       INTEGER  NOT NULL,
    last_seen_at           INTEGER  NOT NULL,
    expires_at             INTEGER  NOT NULL,               -- moves with use, never past the deadline
    deadline               INTEGER  NOT NULL,
    version                INTEGER  NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN  NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    email                  TEXT     NOT NULL,
    name                   TEXT     NOT NULL,
    password_hash          TEXT     NOT NULL
);

CREATE INDEX registrations_expires_at_idx ON registrations (expires_at);
CREATE INDEX registrations_email_idx ON registrations (email);
