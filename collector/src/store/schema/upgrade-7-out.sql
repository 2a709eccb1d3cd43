-- What leaves by metrics: the delays of each path since the store was made, and up to which verdict each receiver of remote
-- write has them.

CREATE TABLE delay (
    path TEXT  NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);
CREATE TABLE remote_write (
    receiver        TEXT   NOT NULL PRIMARY KEY,
    judged_at_ns    BIGINT NOT NULL,
    path            TEXT   NOT NULL,
    window_start_ns BIGINT NOT NULL
);
CREATE INDEX verdict_by_judgement ON verdict (judged_at_ns, path, window_start_ns);
