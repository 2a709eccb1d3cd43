-- Version 14: judgements are kept compressed (store/verdicts.rs). Of those that are not, `packed` is NULL; of the others `body`
-- is empty.

ALTER TABLE verdict ADD COLUMN packed BYTEA;
