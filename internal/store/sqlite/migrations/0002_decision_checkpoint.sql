-- Which weights a decision was about, so that tries of one checkpoint can be
-- counted. Empty where it is not known, as in decisions from before.

-- +goose Up

ALTER TABLE decisions ADD COLUMN checkpoint TEXT NOT NULL DEFAULT '';
CREATE INDEX decisions_checkpoint ON decisions (project, checkpoint, create_time, id, gate) WHERE checkpoint <> '';
