-- Version 15: alerts, what receivers know of them, and maintenance that is announced to the collector.

-- Alerts that go on (`ended_ns` is null) and those that are over; the body is JSON (alert/book.rs).
CREATE TABLE alert (
    kind     TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    since_ns BIGINT NOT NULL,
    ended_ns BIGINT,
    body     TEXT   NOT NULL,
    PRIMARY KEY (kind, subject, since_ns)
);
CREATE INDEX alert_by_end ON alert (ended_ns);

-- What each receiver takes for going on.
CREATE TABLE alert_told (
    receiver TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    since_ns BIGINT NOT NULL,
    PRIMARY KEY (receiver, kind, subject)
);

-- `kind` is path, site or carrier; `declared_at_ns` the collector's clock at the announcement.
CREATE TABLE maintenance (
    id             TEXT   PRIMARY KEY,
    kind           TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    start_ns       BIGINT NOT NULL,
    end_ns         BIGINT NOT NULL,
    declared_at_ns BIGINT NOT NULL,
    declared_by    TEXT   NOT NULL,
    reason         TEXT   NOT NULL,
    ended_at_ns    BIGINT -- before its time
);
CREATE INDEX maintenance_by_end ON maintenance (end_ns);
