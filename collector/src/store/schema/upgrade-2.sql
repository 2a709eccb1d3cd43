-- Version 2, on SQLite alone: the hop counts of paths.

-- With which TTL or hop limit the packets of a flow of a path arrive: the first that was seen, and each change since.
CREATE TABLE hop_change (
    path      TEXT    NOT NULL,
    flow      BIGINT NOT NULL,
    direction BIGINT NOT NULL, -- 0 forward, 1 backward
    at_ns     BIGINT NOT NULL, -- when the interval began that first had it
    before    BIGINT,          -- NULL for the first
    after     BIGINT NOT NULL
);
CREATE INDEX hop_change_by_path ON hop_change (path, at_ns);
CREATE INDEX hop_change_by_time ON hop_change (at_ns);
