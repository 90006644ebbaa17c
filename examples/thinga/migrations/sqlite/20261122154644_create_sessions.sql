-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect sqlite
-- anchor: parent none
-- anchor: extras track
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
-- anchor: column ip_address ip as "TEXT"
-- anchor: column user_agent text as "TEXT"
-- anchor: column user_id uuid as "BLOB" not null references users(id) on delete cascade
-- anchor: column name text as "TEXT" not null
-- anchor: column role enum("member", "admin") as "TEXT" not null
-- anchor: column device_name text as "TEXT"
-- anchor: column messages json as "TEXT" not null
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: cut_offs sessions_cut_offs on user_id as "BLOB"
-- anchor: hash a2deeeaa5cb5e53a

CREATE TABLE sessions (
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
    ip_address             TEXT,                            -- of the latest use
    user_agent             TEXT,
    user_id                BLOB     NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name                   TEXT     NOT NULL,
    role                   TEXT     NOT NULL CHECK (role IN ('member', 'admin')),
    device_name            TEXT,
    messages               TEXT     NOT NULL                -- JSON
);

CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);

CREATE TABLE sessions_cut_offs (
    subject     BLOB NOT NULL PRIMARY KEY,
    cut_off_at  INTEGER NOT NULL
);
