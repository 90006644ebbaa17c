-- anchor: format 1
-- anchor: table guests
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
-- anchor: column voter uuid as "BLOB" not null
-- anchor: column messages json as "TEXT" not null
-- anchor: index guests_expires_at_idx on expires_at
-- anchor: hash 0b2f007a418f2d23

CREATE TABLE guests (
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
    voter                  BLOB     NOT NULL,
    messages               TEXT     NOT NULL                -- JSON
);

CREATE INDEX guests_expires_at_idx ON guests (expires_at);
