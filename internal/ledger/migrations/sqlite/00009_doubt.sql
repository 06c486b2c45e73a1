-- +goose Up
-- Records that are to be looked at in the target: it may have removed them with a parent.
CREATE INDEX parked_doubtful ON parked (tbl, key) WHERE waits = 'doubt';

-- +goose Down
DROP INDEX parked_doubtful;
