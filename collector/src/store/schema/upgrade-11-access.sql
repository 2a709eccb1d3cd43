-- Who may see what, and what people did.

-- Users: `carriers` is a JSON array of those that a regulator sees; `password` an Argon2id hash (PHC string).
CREATE TABLE access_user (
    name       TEXT   PRIMARY KEY,
    role       TEXT   NOT NULL,
    carriers   TEXT   NOT NULL,
    password   TEXT   NOT NULL,
    changed_ns BIGINT NOT NULL
);

-- Tokens that are not void: `hash` is the SHA-256 of the value, in hexadecimal.
CREATE TABLE access_token (
    name       TEXT   PRIMARY KEY,
    hash       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    carriers   TEXT   NOT NULL,
    made_ns    BIGINT NOT NULL,
    expires_ns BIGINT NOT NULL,
    used_ns    BIGINT
);

-- Logins that go on: `hash` is the SHA-256 of the cookie's value, `origin` the address of the login.
CREATE TABLE access_session (
    hash     TEXT   PRIMARY KEY,
    name     TEXT   NOT NULL,
    origin   TEXT   NOT NULL,
    began_ns BIGINT NOT NULL,
    used_ns  BIGINT NOT NULL
);

-- One row: `edition` grows with every change of who there is; `number` and `hash` are those of the last audit record.
-- It is changed first in every transaction that writes any of these tables, so one waits for the other.
CREATE TABLE access_state (
    id      BIGINT PRIMARY KEY,
    edition BIGINT NOT NULL,
    number  BIGINT NOT NULL,
    hash    TEXT   NOT NULL
);
INSERT INTO access_state (id, edition, number, hash)
VALUES (1, 1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- The audit log: each record in canonical JSON, with the hash of the one before it and its own.
CREATE TABLE audit (
    number   BIGINT PRIMARY KEY,
    at_ns    BIGINT NOT NULL,
    body     TEXT   NOT NULL,
    previous TEXT   NOT NULL,
    hash     TEXT   NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ns);
