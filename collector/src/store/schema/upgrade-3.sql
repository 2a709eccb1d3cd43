-- Version 3, on SQLite alone: what audits found, and verdicts that were given anew.

-- The latest windows as they were audited, of which findings are made; the oldest make room.
CREATE TABLE audited_window (
    start_ns  BIGINT PRIMARY KEY,
    length_ns BIGINT NOT NULL,
    body      TEXT    NOT NULL -- as JSON
);

-- What is wrong, or was: the body is a finding as JSON.
CREATE TABLE finding (
    kind          TEXT    NOT NULL,
    subject       TEXT    NOT NULL, -- a probe, or two as A~B
    since_ns      BIGINT NOT NULL,
    seen_until_ns BIGINT NOT NULL,
    open          BIGINT NOT NULL,
    body          TEXT    NOT NULL,
    PRIMARY KEY (kind, subject, since_ns)
);
CREATE INDEX finding_by_time ON finding (seen_until_ns);

-- Verdicts that were given anew: when, why, from what to what.
CREATE TABLE revision (
    path            TEXT    NOT NULL,
    profile         TEXT    NOT NULL,
    window_start_ns BIGINT NOT NULL,
    at_ns           BIGINT NOT NULL,
    body            TEXT    NOT NULL -- as JSON
);
CREATE INDEX revision_by_path ON revision (path, profile, window_start_ns);
CREATE INDEX revision_by_time ON revision (window_start_ns);
