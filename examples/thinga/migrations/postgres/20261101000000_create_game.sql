CREATE TABLE users (
    id            UUID NOT NULL PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
    joined        TEXT NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')
);

CREATE TABLE things (
    id   BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    icon TEXT NOT NULL
);

-- A voter is a user or a guest, so there is no foreign key. The primary key is what makes a second
-- submission harmless: one vote per voter and pair.
CREATE TABLE votes (
    voter    UUID NOT NULL,
    low      BIGINT NOT NULL REFERENCES things (id),
    high     BIGINT NOT NULL REFERENCES things (id),
    winner   BIGINT NOT NULL,
    voted_at BIGINT NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (voter, low, high),
    CHECK (low < high AND winner IN (low, high))
);

INSERT INTO things (id, name, icon) VALUES
    (1, 'Umbrella', '☂️'), (2, 'Teapot', '🫖'), (3, 'Bicycle', '🚲'), (4, 'Key', '🔑'),
    (5, 'Book', '📖'), (6, 'Candle', '🕯️'), (7, 'Pencil', '✏️'), (8, 'Scissors', '✂️'),
    (9, 'Bread', '🍞'), (10, 'Cheese', '🧀'), (11, 'Apple', '🍎'), (12, 'Cup of tea', '🍵'),
    (13, 'Chair', '🪑'), (14, 'Broom', '🧹'), (15, 'Alarm clock', '⏰'), (16, 'Balloon', '🎈'),
    (17, 'Guitar', '🎸'), (18, 'Light bulb', '💡'), (19, 'Boot', '🥾'), (20, 'Scarf', '🧣'),
    (21, 'Socks', '🧦'), (22, 'Hammer', '🔨'), (23, 'Kite', '🪁'), (24, 'Letter', '✉️');
