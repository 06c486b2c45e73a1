-- +goose Up
-- How attempts at a lane ended: busy while one is at work, and for ever when it
-- died; crashes counts those; suspect is the entry in hand of a lane that is
-- written one entry at a time, blamed how many attempts died at it.
ALTER TABLE lane ADD COLUMN busy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN suspect INTEGER NOT NULL DEFAULT -1;
ALTER TABLE lane ADD COLUMN blamed INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE lane DROP COLUMN blamed;
ALTER TABLE lane DROP COLUMN suspect;
ALTER TABLE lane DROP COLUMN crashes;
ALTER TABLE lane DROP COLUMN busy;
