-- Labels by people: sets of labelled transcripts, verdicts of people on stored
-- transcripts, and the calibrations of graders that follow from either.

-- +goose Up

CREATE TABLE label_sets (
  seq            INTEGER PRIMARY KEY,
  project        TEXT    NOT NULL,
  id             TEXT    NOT NULL,
  display_name   TEXT    NOT NULL,
  rule           TEXT    NOT NULL,
  digest         TEXT    NOT NULL,
  items          INTEGER NOT NULL,
  human_items    INTEGER NOT NULL,
  create_time    INTEGER NOT NULL,
  request_id     TEXT    NOT NULL,
  request_digest TEXT    NOT NULL,
  UNIQUE (project, id)
) STRICT;
CREATE UNIQUE INDEX label_sets_request ON label_sets (project, request_id) WHERE request_id <> '';
CREATE INDEX label_sets_page ON label_sets (project, create_time, id);

CREATE TABLE labels (
  label_set INTEGER NOT NULL REFERENCES label_sets (seq),
  place     INTEGER NOT NULL,
  project   TEXT    NOT NULL,
  body      BLOB    NOT NULL,
  PRIMARY KEY (label_set, place)
) STRICT, WITHOUT ROWID;

-- Calibrations refer to graders, label sets and runs by name and digest only:
-- they outlive them.
CREATE TABLE calibrations (
  seq           INTEGER PRIMARY KEY,
  project       TEXT    NOT NULL,
  grader        TEXT    NOT NULL,
  id            TEXT    NOT NULL,
  grader_digest TEXT    NOT NULL,
  human         INTEGER NOT NULL,
  create_time   INTEGER NOT NULL,
  body          BLOB    NOT NULL,
  UNIQUE (project, grader, id)
) STRICT;
CREATE INDEX calibrations_page ON calibrations (project, grader, create_time, id);
CREATE INDEX calibrations_page_all ON calibrations (project, create_time, id, grader);
CREATE INDEX calibrations_current ON calibrations (project, grader_digest, create_time, id, grader) WHERE human = 1;

-- human is 1 for the verdict of a person.
ALTER TABLE verdicts ADD COLUMN human INTEGER NOT NULL DEFAULT 0;
ALTER TABLE verdicts ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
ALTER TABLE verdicts ADD COLUMN request_digest TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX verdicts_request ON verdicts (project, request_id) WHERE request_id <> '';
CREATE INDEX verdicts_human ON verdicts (run, create_time, id, transcript) WHERE human = 1;
