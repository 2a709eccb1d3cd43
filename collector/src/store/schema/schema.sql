-- The store of a collector, version 6; later versions are the upgrades beside this file, on both engines.
-- Times are nanoseconds since 1970 (UTC), spans nanoseconds; truth is 0 or 1.

-- The receipt of each batch that was acknowledged. Its reports stand in `report`, as they came.
CREATE TABLE batch (
    probe          TEXT   NOT NULL,
    epoch          BIGINT NOT NULL, -- the 64 bits of the epoch, read as a signed number
    first_sequence BIGINT NOT NULL,
    reports        BIGINT NOT NULL,
    received_at_ns BIGINT NOT NULL
);
CREATE INDEX batch_by_time ON batch (received_at_ns);

-- Up to where a probe's reports are stored: what is acknowledged.
CREATE TABLE ack (
    probe          TEXT   NOT NULL,
    epoch          BIGINT NOT NULL,
    stored         BIGINT NOT NULL,
    received_at_ns BIGINT NOT NULL,
    PRIMARY KEY (probe, epoch)
);

-- Reports, each once: the body is the protobuf message `Report` of report.proto.
CREATE TABLE report (
    path      TEXT   NOT NULL,
    start_ns  BIGINT NOT NULL,
    length_ns BIGINT NOT NULL,
    probe     TEXT   NOT NULL,
    epoch     BIGINT NOT NULL,
    sequence  BIGINT NOT NULL,
    body      BYTEA  NOT NULL,
    UNIQUE (probe, epoch, sequence)
);
CREATE INDEX report_by_time ON report (start_ns);

-- What each path has counted since the store was made, written with the reports that it counts.
CREATE TABLE counter (
    path  TEXT   NOT NULL,
    name  TEXT   NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (path, name)
);

-- Windows that have new reports since they were judged. A row goes when a verdict has seen its version.
CREATE TABLE dirty (
    window_ns       BIGINT NOT NULL,
    window_start_ns BIGINT NOT NULL,
    version         BIGINT NOT NULL,
    PRIMARY KEY (window_ns, window_start_ns)
);

-- The latest verdict of each window; the body is a judgement as JSON.
CREATE TABLE verdict (
    path            TEXT   NOT NULL,
    profile         TEXT   NOT NULL,
    window_start_ns BIGINT NOT NULL,
    window_ns       BIGINT NOT NULL,
    state           TEXT   NOT NULL,
    judged_at_ns    BIGINT NOT NULL,
    body            TEXT   NOT NULL,
    PRIMARY KEY (path, profile, window_start_ns)
);
CREATE INDEX verdict_by_time ON verdict (window_start_ns);

-- Who has called.
CREATE TABLE probe (
    probe        TEXT   PRIMARY KEY,
    epoch        BIGINT NOT NULL,
    software     TEXT   NOT NULL,
    simulated    BIGINT NOT NULL,
    called_at_ns BIGINT NOT NULL
);

-- With which TTL or hop limit the packets of a flow of a path arrive: the first that was seen, and each change since.
CREATE TABLE hop_change (
    path      TEXT   NOT NULL,
    flow      BIGINT NOT NULL,
    direction BIGINT NOT NULL, -- 0 forward, 1 backward
    at_ns     BIGINT NOT NULL, -- when the interval began that first had it
    before    BIGINT,          -- NULL for the first
    after     BIGINT NOT NULL
);
CREATE INDEX hop_change_by_path ON hop_change (path, at_ns);
CREATE INDEX hop_change_by_time ON hop_change (at_ns);

-- The latest windows as they were audited, of which findings are made; the oldest make room.
CREATE TABLE audited_window (
    start_ns  BIGINT PRIMARY KEY,
    length_ns BIGINT NOT NULL,
    body      TEXT   NOT NULL -- as JSON
);

-- What is wrong, or was: the body is a finding as JSON.
CREATE TABLE finding (
    kind          TEXT   NOT NULL,
    subject       TEXT   NOT NULL, -- a probe, or two as A~B
    since_ns      BIGINT NOT NULL,
    seen_until_ns BIGINT NOT NULL,
    open          BIGINT NOT NULL,
    body          TEXT   NOT NULL,
    PRIMARY KEY (kind, subject, since_ns)
);
CREATE INDEX finding_by_time ON finding (seen_until_ns);

-- Verdicts that were given anew: when, why, from what to what. Those of a window are numbered from 1.
CREATE TABLE revision (
    path            TEXT   NOT NULL,
    profile         TEXT   NOT NULL,
    window_start_ns BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    at_ns           BIGINT NOT NULL,
    body            TEXT   NOT NULL, -- as JSON
    PRIMARY KEY (path, profile, window_start_ns, number)
);
CREATE INDEX revision_by_time ON revision (window_start_ns);

-- The latest verdict of each window of an hour in short; the body is the protobuf message of hours.rs. It lives a year longer
-- than the verdicts themselves.
CREATE TABLE hour (
    path          TEXT   NOT NULL,
    profile       TEXT   NOT NULL,
    window_ns     BIGINT NOT NULL,
    hour_start_ns BIGINT NOT NULL,
    body          BYTEA  NOT NULL,
    UNIQUE (path, profile, window_ns, hour_start_ns)
);
CREATE INDEX hour_by_time ON hour (hour_start_ns);

-- Rulebooks: all that a verdict depends on beside the reports. A verdict names its own in its body.
CREATE TABLE rulebook (
    hash         TEXT   PRIMARY KEY, -- SHA-256 of the body, in hexadecimal
    body         TEXT   NOT NULL,    -- JSON
    last_used_ns BIGINT NOT NULL     -- the begin of the latest window that was judged by it
);
