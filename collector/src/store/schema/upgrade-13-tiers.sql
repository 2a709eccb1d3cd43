-- Version 12: what is kept for longer than reports.

-- Summaries of five minutes or of an hour, 72 in a row; the body is packed (history/row.rs).
CREATE TABLE tier (
    path     TEXT   NOT NULL,
    step_ns  BIGINT NOT NULL,
    start_ns BIGINT NOT NULL, -- of the first of the 72
    body     BYTEA  NOT NULL,
    PRIMARY KEY (path, step_ns, start_ns)
);
CREATE INDEX tier_by_time ON tier (step_ns, start_ns);

-- Six hours of a path that have reports of which no summary is made yet. A row goes when its version is made.
CREATE TABLE untiered (
    path     TEXT   NOT NULL,
    start_ns BIGINT NOT NULL,
    version  BIGINT NOT NULL,
    PRIMARY KEY (start_ns, path)
);
INSERT INTO untiered (path, start_ns, version)
    SELECT path, start_ns - start_ns % 21600000000000, 1 FROM block
    UNION SELECT path, (end_ns - 1) - (end_ns - 1) % 21600000000000, 1 FROM block;

-- What judges read of the reports of a minute of some paths, once the reports themselves are gone (history/inputs.rs).
CREATE TABLE judged_input (
    start_ns   BIGINT NOT NULL,
    first_path TEXT   NOT NULL,
    last_path  TEXT   NOT NULL,
    body       BYTEA  NOT NULL,
    PRIMARY KEY (start_ns, first_path)
);

-- Judged windows in which an audit did not believe somebody; the body is JSON.
CREATE TABLE disbelieved (
    start_ns  BIGINT NOT NULL,
    length_ns BIGINT NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (start_ns, length_ns)
);

-- Up to where something was done that is done once.
CREATE TABLE reached (
    name  TEXT   PRIMARY KEY,
    at_ns BIGINT NOT NULL
);
