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
    user_id                BINARY(16)    NOT NULL,
    role                   VARCHAR(255)  NOT NULL DEFAULT 'member',
    cart                   JSON          NOT NULL,
    theme                  LONGTEXT,
    greeting               LONGTEXT      NOT NULL DEFAULT ('hello'),
    email                  VARCHAR(80)   NOT NULL,
    `order`                INTEGER       NOT NULL DEFAULT (1 + 1),
    `deviceName`           VARCHAR(255),
    address                VARCHAR(45),
    born_at                DATETIME(6),
    active                 BOOLEAN       NOT NULL DEFAULT true,
    score                  DOUBLE,
    avatar                 LONGBLOB,
    INDEX sessions_expires_at_idx (expires_at),
    INDEX sessions_user_id_idx (user_id),
    UNIQUE INDEX sessions_email_key (email),
    INDEX `sessions_deviceName_idx` (`deviceName`),
    CONSTRAINT sessions_rotation_state_check CHECK (rotation_state IN ('settled', 'exchangeable', 'pending')),
    CONSTRAINT sessions_role_check CHECK (role IN ('admin', 'member', 'it''s')),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
