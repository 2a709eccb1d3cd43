-- Version 8: who judges, where several collectors have one store.

CREATE TABLE lease (
    mesh     TEXT   PRIMARY KEY,
    holder   TEXT   NOT NULL,
    epoch    BIGINT NOT NULL, -- grows with every change of the holder; each write of a judge names it
    until_ns BIGINT NOT NULL, -- by the database's clock
    round    BIGINT NOT NULL  -- grows with everything that a judge writes
);
