-- anchor: format 1
-- anchor: table registrations
-- anchor: dialect postgres
-- anchor: parent none
-- anchor: column id uuid as "UUID" not null primary key
-- anchor: column lasting_hash bytes as "BYTEA" not null
-- anchor: column secret_hash bytes as "BYTEA" not null
-- anchor: column previous_secret_hash bytes as "BYTEA"
-- anchor: column previous_secret_until timestamp as "TIMESTAMPTZ"
-- anchor: column rotation_state enum("settled", "exchangeable", "pending") as "TEXT" not null default "'settled'"
-- anchor: column created_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column authenticated_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column last_seen_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column expires_at timestamp as "TIMESTAMPTZ" not null
-- anchor: column deadline timestamp as "TIMESTAMPTZ" not null
-- anchor: column version bigint as "BIGINT" not null
-- anchor: column remembered bool as "BOOLEAN" not null default "TRUE"
-- anchor: column email text as "TEXT" not null
-- anchor: column name text as "TEXT" not null
-- anchor: column password_hash text as "TEXT" not null
-- anchor: index registrations_expires_at_idx on expires_at
-- anchor: index registrations_email_idx on email
-- anchor: hash 6fae1f3520b54b20

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE registrations (
    id                     UUID         NOT NULL PRIMARY KEY,
    lasting_hash           BYTEA        NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BYTEA        NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BYTEA,                               -- the one before the last rotation
    previous_secret_until  TIMESTAMPTZ,
    rotation_state         TEXT         NOT NULL DEFAULT 'settled' CONSTRAINT registrations_rotation_state_check CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    created_at             TIMESTAMPTZ  NOT NULL,
    authenticated_at       TIMESTAMPTZ  NOT NULL,
    last_seen_at           TIMESTAMPTZ  NOT NULL,
    expires_at             TIMESTAMPTZ  NOT NULL,               -- moves with use, never past the deadline
    deadline               TIMESTAMPTZ  NOT NULL,
    version                BIGINT       NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN      NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    email                  TEXT         NOT NULL,
    name                   TEXT         NOT NULL,
    password_hash          TEXT         NOT NULL
);

CREATE INDEX registrations_expires_at_idx ON registrations (expires_at);
CREATE INDEX registrations_email_idx ON registrations (email);
