-- Whether the texts of a run's transcripts are there: KEPT, REMOVING or REMOVED.

-- +goose Up

ALTER TABLE runs ADD COLUMN texts TEXT NOT NULL DEFAULT 'KEPT';
