-- Version 17: readings of ports.

-- What a batch held of them, as it came; the body is the reports' octets (store/links.rs).
CREATE TABLE link_batch (
    probe          TEXT   NOT NULL,
    epoch          BIGINT NOT NULL,
    sequence       BIGINT NOT NULL, -- of the first of them
    received_at_ns BIGINT NOT NULL,
    end_ns         BIGINT NOT NULL, -- of the newest reading
    reports        BIGINT NOT NULL,
    body           BYTEA  NOT NULL,
    PRIMARY KEY (probe, epoch, sequence)
);
CREATE INDEX link_batch_by_receipt ON link_batch (received_at_ns);
CREATE INDEX link_batch_by_end ON link_batch (end_ns);
