-- Version 5: the rules that verdicts were made by.

-- Rulebooks: all that a verdict depends on beside the reports. A verdict names its own in its body.
CREATE TABLE rulebook (
    hash              TEXT    PRIMARY KEY, -- SHA-256 of the body, in hexadecimal
    body              TEXT    NOT NULL,    -- JSON
    last_used_ns      INTEGER NOT NULL     -- the begin of the latest window that was judged by it
) STRICT;

PRAGMA user_version = 5;
