-- Version 16: generations of plans, and which of them each probe follows.

CREATE TABLE plan (
    generation BIGINT PRIMARY KEY, -- grows; seconds since 1970 when it was made, or one more than the one before
    topology   TEXT   NOT NULL,    -- its name
    hash       TEXT   NOT NULL,    -- SHA-256 of its texts
    sources    TEXT   NOT NULL,    -- the texts: JSON, a list of [name, text]
    made_at_ns BIGINT NOT NULL,
    rollout    TEXT   NOT NULL     -- how far it is: JSON (plan/rollout.rs)
);

CREATE TABLE plan_standing (
    probe TEXT PRIMARY KEY,
    body  TEXT NOT NULL            -- JSON (plan/rollout.rs)
);
