CREATE TABLE sessions (
    id                     UUID              NOT NULL PRIMARY KEY,
    lasting_hash           BYTEA             NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BYTEA             NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BYTEA,                                    -- the one before the last rotation
    previous_secret_until  TIMESTAMPTZ,
    rotation_state         TEXT              NOT NULL DEFAULT 'settled' CONSTRAINT sessions_rotation_state_check CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    created_at             TIMESTAMPTZ       NOT NULL,
    authenticated_at       TIMESTAMPTZ       NOT NULL,
    last_seen_at           TIMESTAMPTZ       NOT NULL,
    expires_at             TIMESTAMPTZ       NOT NULL,               -- moves with use, never past the deadline
    deadline               TIMESTAMPTZ       NOT NULL,
    version                BIGINT            NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN           NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    user_id                UUID              NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES auth.users (id) ON DELETE CASCADE,
    role                   TEXT              NOT NULL DEFAULT 'member' CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member', 'it''s')),
    cart                   JSONB             NOT NULL,
    theme                  TEXT,
    greeting               TEXT              NOT NULL DEFAULT 'hello',
    email                  VARCHAR(80)       NOT NULL,
    "order"                INTEGER           NOT NULL DEFAULT 1 + 1,
    "deviceName"           TEXT,
    address                INET,
    born_at                TIMESTAMPTZ,
    active                 BOOLEAN           NOT NULL DEFAULT true,
    score                  DOUBLE PRECISION,
    avatar                 BYTEA
);

CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE UNIQUE INDEX sessions_email_key ON sessions (email);
CREATE INDEX "sessions_deviceName_idx" ON sessions ("deviceName");
