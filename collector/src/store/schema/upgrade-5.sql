-- Version 5, on SQLite alone: the rules that verdicts were made by.

-- Rulebooks: all that a verdict depends on beside the reports. A verdict names its own in its body.
CREATE TABLE rulebook (
    hash              TEXT    PRIMARY KEY, -- SHA-256 of the body, in hexadecimal
    body              TEXT    NOT NULL,    -- JSON
    last_used_ns      BIGINT NOT NULL     -- the begin of the latest window that was judged by it
);
