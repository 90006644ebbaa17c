CREATE TABLE sessions (
    id                     BLOB         NOT NULL PRIMARY KEY,   -- UUID, 16 bytes
    lasting_hash           BLOB         NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BLOB         NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BLOB,                                -- the one before the last rotation
    previous_secret_until  INTEGER,                             -- microseconds since 1970, UTC
    rotation_state         TEXT         NOT NULL DEFAULT 'settled' CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    created_at             INTEGER      NOT NULL,
    authenticated_at       INTEGER      NOT NULL,
    last_seen_at           INTEGER      NOT NULL,
    expires_at             INTEGER      NOT NULL,               -- moves with use, never past the deadline
    deadline               INTEGER      NOT NULL,
    version                INTEGER      NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN      NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    user_id                BLOB         NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
    role                   TEXT         NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member', 'it''s')),
    cart                   TEXT         NOT NULL,               -- JSON
    theme                  TEXT,
    greeting               TEXT         NOT NULL DEFAULT 'hello',
    email                  VARCHAR(80)  NOT NULL,
    "order"                INTEGER      NOT NULL DEFAULT (1 + 1),
    "deviceName"           TEXT,
    address                TEXT,
    born_at                INTEGER,
    active                 BOOLEAN      NOT NULL DEFAULT true,
    score                  REAL,
    avatar                 BLOB
);

CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE UNIQUE INDEX sessions_email_key ON sessions (email);
CREATE INDEX "sessions_deviceName_idx" ON sessions ("deviceName");
