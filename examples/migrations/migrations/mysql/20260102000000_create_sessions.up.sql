-- anchor: format 1
-- anchor: table sessions
-- anchor: dialect mysql
-- anchor: parent none
-- anchor: column id uuid as "BINARY(16)" not null primary key
-- anchor: column lasting_hash bytes as "BINARY(32)" not null
-- anchor: column secret_hash bytes as "BINARY(32)" not null
-- anchor: column previous_secret_hash bytes as "BINARY(32)"
-- anchor: column previous_secret_until timestamp as "DATETIME(6)"
-- anchor: column rotation_state enum("settled", "exchangeable", "pending") as "VARCHAR(255)" not null default "'settled'"
-- anchor: column created_at timestamp as "DATETIME(6)" not null
-- anchor: column authenticated_at timestamp as "DATETIME(6)" not null
-- anchor: column last_seen_at timestamp as "DATETIME(6)" not null
-- anchor: column expires_at timestamp as "DATETIME(6)" not null
-- anchor: column deadline timestamp as "DATETIME(6)" not null
-- anchor: column version bigint as "BIGINT" not null
-- anchor: column remembered bool as "BOOLEAN" not null default "TRUE"
-- anchor: column user_id bigint as "BIGINT" not null references users(id) on delete cascade
-- anchor: column role enum("admin", "member") as "VARCHAR(255)" not null default "'member'"
-- anchor: column visits integer as "INTEGER" not null default "0"
-- anchor: index sessions_expires_at_idx on expires_at
-- anchor: index sessions_user_id_idx on user_id
-- anchor: hash 2cacb64f9546bc63

CREATE TABLE sessions (
    id                     BINARY(16)    NOT NULL PRIMARY KEY,
    lasting_hash           BINARY(32)    NOT NULL,               -- SHA-256 of the secret's lasting half
    secret_hash            BINARY(32)    NOT NULL,               -- SHA-256 of the token's secret
    previous_secret_hash   BINARY(32),                           -- the one before the last rotation
    previous_secret_until  DATETIME(6),                          -- UTC
    rotation_state         VARCHAR(255)  NOT NULL DEFAULT 'settled',
    created_at             DATETIME(6)   NOT NULL,
    authenticated_at       DATETIME(6)   NOT NULL,
    last_seen_at           DATETIME(6)   NOT NULL,
    expires_at             DATETIME(6)   NOT NULL,               -- moves with use, never past the deadline
    deadline               DATETIME(6)   NOT NULL,
    version                BIGINT        NOT NULL,               -- counts the payload's updates
    remembered             BOOLEAN       NOT NULL DEFAULT TRUE,  -- whether the cookie outlives the browser
    user_id                BIGINT        NOT NULL,
    role                   VARCHAR(255)  NOT NULL DEFAULT 'member',
    visits                 INTEGER       NOT NULL DEFAULT 0,
    INDEX sessions_expires_at_idx (expires_at),
    INDEX sessions_user_id_idx (user_id),
    CONSTRAINT sessions_rotation_state_check CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member')),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
