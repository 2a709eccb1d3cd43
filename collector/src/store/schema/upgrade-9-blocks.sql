-- Version 9: batches as they came, and blocks of one path's reports that they are packed into.

ALTER TABLE batch RENAME TO receipt;
DROP INDEX batch_by_time;

-- Batches as they came, until they are packed.
CREATE TABLE batch (
    probe          TEXT   NOT NULL,
    number         BIGINT NOT NULL, -- of those of this probe, from 1 in the order of their commits
    epoch          BIGINT NOT NULL, -- the 64 bits of the epoch, read as a signed number
    first_sequence BIGINT NOT NULL,
    reports        BIGINT NOT NULL, -- how many are kept; not those that came before or may not be stored
    received_at_ns BIGINT NOT NULL,
    start_ns       BIGINT NOT NULL, -- when the first of their intervals begins
    end_ns         BIGINT NOT NULL, -- when the last of them ends
    body           BYTEA  NOT NULL, -- the protobuf message of batches.rs
    PRIMARY KEY (probe, number)
);

-- Reports of one path and one spool, each once: the body is a block of block/.
CREATE TABLE block (
    path     TEXT   NOT NULL,
    probe    TEXT   NOT NULL,
    epoch    BIGINT NOT NULL,
    start_ns BIGINT NOT NULL, -- when the first of their intervals begins
    end_ns   BIGINT NOT NULL, -- when the last of them ends
    reports  BIGINT NOT NULL,
    body     BYTEA  NOT NULL
);
CREATE INDEX block_by_path ON block (path, start_ns);
CREATE INDEX block_by_probe ON block (probe, start_ns, end_ns);
CREATE INDEX block_by_end ON block (end_ns);

-- The batches of each probe by number: the last one, and up to which the sums in `counter` and `delay` go. What the batches
-- after that add is counted in memory, and counted again from them by whoever opens the store.
CREATE TABLE counted (
    probe    TEXT   PRIMARY KEY,
    numbered BIGINT NOT NULL,
    counted  BIGINT NOT NULL
);
