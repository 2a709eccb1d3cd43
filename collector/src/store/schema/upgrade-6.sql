-- Version 6, on SQLite alone: what schema.sql has and older stores have not. Revisions of a window are numbered.

CREATE TABLE numbered (
    path            TEXT   NOT NULL,
    profile         TEXT   NOT NULL,
    window_start_ns BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    at_ns           BIGINT NOT NULL,
    body            TEXT   NOT NULL,
    PRIMARY KEY (path, profile, window_start_ns, number)
);
INSERT INTO numbered SELECT path, profile, window_start_ns,
    row_number() OVER (PARTITION BY path, profile, window_start_ns ORDER BY rowid), at_ns, body FROM revision;
DROP TABLE revision;
ALTER TABLE numbered RENAME TO revision;
CREATE INDEX revision_by_time ON revision (window_start_ns);
