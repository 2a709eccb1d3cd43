-- Numbers of a spool that are still to come: of those up to `ack.stored`, which is the highest that came.
CREATE TABLE missing (
    probe TEXT   NOT NULL,
    epoch BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last  BIGINT NOT NULL,
    PRIMARY KEY (probe, epoch, first)
);

-- Numbers that never will, and why.
CREATE TABLE gap (
    probe        TEXT   NOT NULL,
    epoch        BIGINT NOT NULL,
    first        BIGINT NOT NULL,
    last         BIGINT NOT NULL,
    loss         TEXT   NOT NULL,
    closed_at_ns BIGINT NOT NULL,
    PRIMARY KEY (probe, epoch, first)
);
CREATE INDEX gap_by_time ON gap (closed_at_ns);

-- Reports that were refused, as they came, and why.
CREATE TABLE aside (
    probe          TEXT   NOT NULL,
    epoch          BIGINT NOT NULL,
    sequence       BIGINT NOT NULL,
    received_at_ns BIGINT NOT NULL,
    reason         TEXT   NOT NULL,
    asked          BIGINT NOT NULL, -- 1 when they are to be looked at once more
    body           BYTEA  NOT NULL,
    PRIMARY KEY (probe, epoch, sequence)
);
CREATE INDEX aside_by_time ON aside (received_at_ns);

-- How much of it there is, and how much made room.
CREATE TABLE aside_held (
    id      BIGINT NOT NULL PRIMARY KEY,
    reports BIGINT NOT NULL,
    octets  BIGINT NOT NULL,
    dropped BIGINT NOT NULL
);
INSERT INTO aside_held (id, reports, octets, dropped) VALUES (1, 0, 0, 0);
