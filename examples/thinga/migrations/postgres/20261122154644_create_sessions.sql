-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect postgres
-- anchor: parent none
-- anchor: extras track
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
-- anchor: column ip_address ip as "INET"
-- anchor: column user_agent text as "TEXT"
-- anchor: column user_id uuid as "UUID" not null references users(id) on delete cascade
-- anchor: column name text as "TEXT" not null
-- anchor: column role enum("member", "admin") as "TEXT" not null
-- anchor: column device_name text as "TEXT"
-- anchor: column messages json as "JSONB" not null
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: cut_offs sessions_cut_offs on user_id as "UUID"
-- anchor: hash f50dd0b52d022abf

-- Waits at most five seconds for its locks, so that nobody waits longer behind it. Each statement
-- runs for at most a minute. If it gives up ("canceling statement due to lock timeout"), nothing
-- has changed: run it again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE sessions (
    id                     UUID         NOT NULL PRIMARY KEY,
    lasting_hash           BYTEA        NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BYTEA        NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BYTEA,                               -- the one before the last rotation
    previous_secret_until  TIMESTAMPTZ,
    rotation_state         TEXT         NOT NULL DEFAULT 'settled' CONSTRAINT sessions_rotation_state_check CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    created_at             TIMESTAMPTZ  NOT NULL,
    authenticated_at       TIMESTAMPTZ  NOT NULL,
    last_seen_at           TIMESTAMPTZ  NOT NULL,
    expires_at             TIMESTAMPTZ  NOT NULL,               -- moves with use, never past the deadline
    deadline               TIMESTAMPTZ  NOT NULL,
    version                BIGINT       NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN      NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    ip_address             INET,                                -- of the latest use
    user_agent             TEXT,
    user_id                UUID         NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    name                   TEXT         NOT NULL,
    role                   TEXT         NOT NULL CONSTRAINT sessions_role_check CHECK (role IN ('member', 'admin')),
    device_name            TEXT,
    messages               JSONB        NOT NULL
);

CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);

CREATE TABLE sessions_cut_offs (
    subject     UUID NOT NULL PRIMARY KEY,
    cut_off_at  TIMESTAMPTZ NOT NULL
);
