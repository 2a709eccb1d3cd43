-- The store of a collector, version 1. One writer; times are nanoseconds since 1970 (UTC), spans nanoseconds.

-- The receipt of each batch that was acknowledged. Its reports stand in `report`, as they came.
CREATE TABLE batch (
    probe          TEXT    NOT NULL,
    epoch          INTEGER NOT NULL, -- the 64 bits of the epoch, read as a signed number
    first_sequence INTEGER NOT NULL,
    reports        INTEGER NOT NULL,
    received_at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_by_time ON batch (received_at_ns);

-- Up to where a probe's reports are stored: what is acknowledged.
CREATE TABLE ack (
    probe          TEXT    NOT NULL,
    epoch          INTEGER NOT NULL,
    stored         INTEGER NOT NULL,
    received_at_ns INTEGER NOT NULL,
    PRIMARY KEY (probe, epoch)
) STRICT;

-- Reports, each once: the body is the protobuf message `Report` of report.proto.
CREATE TABLE report (
    path      TEXT    NOT NULL,
    start_ns  INTEGER NOT NULL,
    length_ns INTEGER NOT NULL,
    probe     TEXT    NOT NULL,
    epoch     INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,
    body      BLOB    NOT NULL,
    UNIQUE (probe, epoch, sequence)
) STRICT;
CREATE INDEX report_by_time ON report (start_ns);

-- What each path has counted since the store was made, written with the reports that it counts.
CREATE TABLE counter (
    path  TEXT    NOT NULL,
    name  TEXT    NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (path, name)
) STRICT, WITHOUT ROWID;

-- Windows that have new reports since they were judged. A row goes when a verdict has seen its version.
CREATE TABLE dirty (
    window_ns       INTEGER NOT NULL,
    window_start_ns INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    PRIMARY KEY (window_ns, window_start_ns)
) STRICT, WITHOUT ROWID;

-- The latest verdict of each window; the body is a judgement as JSON.
CREATE TABLE verdict (
    path            TEXT    NOT NULL,
    profile         TEXT    NOT NULL,
    window_start_ns INTEGER NOT NULL,
    window_ns       INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    judged_at_ns    INTEGER NOT NULL,
    body            TEXT    NOT NULL,
    PRIMARY KEY (path, profile, window_start_ns)
) STRICT;
CREATE INDEX verdict_by_time ON verdict (window_start_ns);

-- Who has called.
CREATE TABLE probe (
    probe        TEXT    PRIMARY KEY,
    epoch        INTEGER NOT NULL,
    software     TEXT    NOT NULL,
    simulated    INTEGER NOT NULL,
    called_at_ns INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 1;
