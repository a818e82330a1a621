-- The behaviours that a sample was found to show, by id, and those on which there
-- is no judgement, each with a question mark before it; joined by single spaces.
-- Samples from before say nothing of any of them.

-- +goose Up

ALTER TABLE transcripts ADD COLUMN behaviors TEXT NOT NULL DEFAULT '?*';
