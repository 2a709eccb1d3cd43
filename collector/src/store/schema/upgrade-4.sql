-- Version 4, on SQLite alone: what rules for a period ask of each window, an hour of a path in a row.

-- The latest verdict of each window of an hour in short; the body is the protobuf message of hours.rs. It lives a year longer
-- than the verdicts themselves.
CREATE TABLE hour (
    path          TEXT    NOT NULL,
    profile       TEXT    NOT NULL,
    window_ns     BIGINT NOT NULL,
    hour_start_ns BIGINT NOT NULL,
    body          BYTEA    NOT NULL,
    UNIQUE (path, profile, window_ns, hour_start_ns)
);
CREATE INDEX hour_by_time ON hour (hour_start_ns);
