-- anchor: format 1
-- anchor: table guests
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
-- anchor: column voter uuid as "UUID" not null
-- anchor: column messages json as "JSONB" not null
-- anchor: index guests_expires_at_idx on expires_at
-- anchor: hash bc824ca7f6eceb2f

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE guests (
    id                     UUID         NOT NULL PRIMARY KEY,
    lasting_hash           BYTEA        NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BYTEA        NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BYTEA,                               -- the one before the last rotation
    previous_secret_until  TIMESTAMPTZ,
    rotation_state         TEXT         NOT NULL DEFAULT 'settled' CONSTRAINT guests_rotation_state_check CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    created_at             TIMESTAMPTZ  NOT NULL,
    authenticated_at       TIMESTAMPTZ  NOT NULL,
    last_seen_at           TIMESTAMPTZ  NOT NULL,
    expires_at             TIMESTAMPTZ  NOT NULL,               -- moves with use, never past the deadline
    deadline               TIMESTAMPTZ  NOT NULL,
    version                BIGINT       NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN      NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    voter                  UUID         NOT NULL,
    messages               JSONB        NOT NULL
);

CREATE INDEX guests_expires_at_idx ON guests (expires_at);
