-- Version 2: the hop counts of paths.

-- With which TTL or hop limit the packets of a flow of a path arrive: the first that was seen, and each change since.
CREATE TABLE hop_change (
    path      TEXT    NOT NULL,
    flow      INTEGER NOT NULL,
    direction INTEGER NOT NULL, -- 0 forward, 1 backward
    at_ns     INTEGER NOT NULL, -- when the interval began that first had it
    before    INTEGER,          -- NULL for the first
    after     INTEGER NOT NULL
) STRICT;
CREATE INDEX hop_change_by_path ON hop_change (path, at_ns);
CREATE INDEX hop_change_by_time ON hop_change (at_ns);

PRAGMA user_version = 2;
