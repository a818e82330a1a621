-- The first schema. Times are integer microseconds since 1970 in UTC, and
-- documents are JSON. A BLOB named body is packed: its first byte says whether
-- the rest is zstd-compressed. Text that a model wrote stands in BLOBs, so that
-- any bytes survive.
--
-- Every row has its project, so that moving, counting or deleting a project's
-- data never needs a join.

-- +goose Up

CREATE TABLE evaluations (
  seq            INTEGER PRIMARY KEY,
  project        TEXT    NOT NULL,
  id             TEXT    NOT NULL,
  display_name   TEXT    NOT NULL,
  plan           TEXT    NOT NULL,
  plan_digest    TEXT    NOT NULL,
  create_time    INTEGER NOT NULL,
  request_id     TEXT    NOT NULL,
  request_digest TEXT    NOT NULL,
  UNIQUE (project, id)
) STRICT;
CREATE UNIQUE INDEX evaluations_request ON evaluations (project, request_id) WHERE request_id <> '';
CREATE INDEX evaluations_page ON evaluations (project, create_time, id);

-- Snapshots of the scenario revisions that evaluations pin.
CREATE TABLE scenarios (
  seq      INTEGER PRIMARY KEY,
  project  TEXT NOT NULL,
  id       TEXT NOT NULL,
  revision TEXT NOT NULL,
  body     BLOB NOT NULL,
  UNIQUE (project, id, revision)
) STRICT;

-- A seq is never used again, so that a reader that is in the middle of a run
-- cannot slip into another one that was created in its place.
CREATE TABLE runs (
  seq              INTEGER PRIMARY KEY AUTOINCREMENT,
  project          TEXT    NOT NULL,
  evaluation       TEXT    NOT NULL,
  id               TEXT    NOT NULL,
  model            TEXT    NOT NULL,
  checkpoint       TEXT    NOT NULL,
  state            TEXT    NOT NULL,
  planned          INTEGER NOT NULL,
  finished         INTEGER NOT NULL DEFAULT 0,
  errors           INTEGER NOT NULL DEFAULT 0,
  input_tokens     INTEGER NOT NULL DEFAULT 0,
  output_tokens    INTEGER NOT NULL DEFAULT 0,
  reasoning_tokens INTEGER NOT NULL DEFAULT 0,
  calls            INTEGER NOT NULL DEFAULT 0,
  error            TEXT    NOT NULL,
  plan_digest      TEXT    NOT NULL,
  concurrency      INTEGER NOT NULL,
  create_time      INTEGER NOT NULL,
  start_time       INTEGER,
  end_time         INTEGER,
  results          TEXT,
  request_id       TEXT    NOT NULL,
  request_digest   TEXT    NOT NULL,
  UNIQUE (project, evaluation, id),
  FOREIGN KEY (project, evaluation) REFERENCES evaluations (project, id)
) STRICT;
CREATE UNIQUE INDEX runs_request ON runs (project, request_id) WHERE request_id <> '';
CREATE INDEX runs_page ON runs (project, evaluation, create_time, id);
CREATE INDEX runs_page_all ON runs (project, create_time, id, evaluation);
CREATE INDEX runs_unfinished ON runs (create_time, id) WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED');

-- The narrow part of a finished sample: all that lists, filters and results need.
-- error_class is NULL when there is a reply.
CREATE TABLE transcripts (
  seq               INTEGER PRIMARY KEY,
  project           TEXT    NOT NULL,
  run               INTEGER NOT NULL REFERENCES runs (seq),
  id                TEXT    NOT NULL,
  sample_index      INTEGER NOT NULL,
  scenario          TEXT    NOT NULL,
  condition         TEXT    NOT NULL,
  query             TEXT    NOT NULL,
  repeat            INTEGER NOT NULL,
  control           INTEGER NOT NULL,
  error_class       TEXT,
  observation       TEXT    NOT NULL,
  observable        INTEGER NOT NULL,
  finish_reason     TEXT    NOT NULL,
  compliance        TEXT    NOT NULL,
  alignment_faking  TEXT    NOT NULL,
  scenario_revision TEXT    NOT NULL,
  seed              INTEGER NOT NULL,
  error_status      INTEGER NOT NULL,
  error_message     BLOB    NOT NULL,
  error_attempts    INTEGER NOT NULL,
  native_kind       TEXT    NOT NULL,
  input_tokens      INTEGER NOT NULL,
  output_tokens     INTEGER NOT NULL,
  reasoning_tokens  INTEGER NOT NULL,
  model_id          BLOB    NOT NULL,
  latency_ns        INTEGER NOT NULL,
  attempts          INTEGER NOT NULL,
  whole             INTEGER NOT NULL,
  create_time       INTEGER NOT NULL,
  UNIQUE (run, id)
) STRICT;
CREATE INDEX transcripts_page ON transcripts (run, sample_index, seq);

-- The wide part: messages, replies and parse, apart from what lists read.
CREATE TABLE transcript_texts (
  transcript INTEGER PRIMARY KEY,
  project    TEXT NOT NULL,
  body       BLOB NOT NULL
) STRICT;

-- Long messages, kept once for a run however many samples were sent them.
CREATE TABLE prompts (
  seq     INTEGER PRIMARY KEY,
  project TEXT    NOT NULL,
  run     INTEGER NOT NULL REFERENCES runs (seq),
  digest  BLOB    NOT NULL,
  body    BLOB    NOT NULL,
  UNIQUE (run, digest)
) STRICT;

CREATE TABLE verdicts (
  seq         INTEGER PRIMARY KEY,
  project     TEXT    NOT NULL,
  run         INTEGER NOT NULL REFERENCES runs (seq),
  transcript  INTEGER NOT NULL REFERENCES transcripts (seq),
  id          TEXT    NOT NULL,
  create_time INTEGER NOT NULL,
  body        BLOB    NOT NULL,
  UNIQUE (transcript, id)
) STRICT;
CREATE INDEX verdicts_page ON verdicts (run, create_time, id, transcript);

CREATE TABLE gates (
  seq            INTEGER PRIMARY KEY,
  project        TEXT    NOT NULL,
  id             TEXT    NOT NULL,
  display_name   TEXT    NOT NULL,
  policy         TEXT    NOT NULL,
  create_time    INTEGER NOT NULL,
  request_id     TEXT    NOT NULL,
  request_digest TEXT    NOT NULL,
  UNIQUE (project, id)
) STRICT;
CREATE UNIQUE INDEX gates_request ON gates (project, request_id) WHERE request_id <> '';
CREATE INDEX gates_page ON gates (project, create_time, id);

-- Decisions refer to gates and runs by name only: they outlive both.
CREATE TABLE decisions (
  seq         INTEGER PRIMARY KEY,
  project     TEXT    NOT NULL,
  gate        TEXT    NOT NULL,
  id          TEXT    NOT NULL,
  evaluation  TEXT    NOT NULL,
  run         TEXT    NOT NULL,
  policy      TEXT    NOT NULL,
  decision    TEXT    NOT NULL,
  evidence    BLOB    NOT NULL,
  create_time INTEGER NOT NULL,
  UNIQUE (project, gate, id)
) STRICT;
CREATE INDEX decisions_page ON decisions (project, gate, create_time, id);
CREATE INDEX decisions_page_all ON decisions (project, create_time, id, gate);
CREATE INDEX decisions_page_run ON decisions (project, evaluation, run, create_time, id, gate);
