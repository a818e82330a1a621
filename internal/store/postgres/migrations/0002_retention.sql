-- Whether the texts of a run's transcripts are there: KEPT, REMOVING or REMOVED.

-- +goose Up

ALTER TABLE runs ADD COLUMN texts text COLLATE "C" NOT NULL DEFAULT 'KEPT';
