-- The first schema: the tables and columns of the SQLite store after its
-- migrations. Times are integer microseconds since 1970 in UTC. Documents are
-- JSON in text and not in jsonb, which would change how they are written. A
-- bytea named body is packed: its first byte says whether the rest is
-- zstd-compressed. Text that a model wrote stands in bytea, so that any bytes
-- survive. Texts are ordered by their bytes (COLLATE "C"), whatever the
-- database's own collation is.
--
-- Every row has its project, so that moving, counting or deleting a project's
-- data never needs a join.

-- +goose Up

CREATE TABLE evaluations (
  seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project        text COLLATE "C" NOT NULL,
  id             text COLLATE "C" NOT NULL,
  display_name   text COLLATE "C" NOT NULL,
  plan           text COLLATE "C" NOT NULL,
  plan_digest    text COLLATE "C" NOT NULL,
  create_time    bigint NOT NULL,
  request_id     text COLLATE "C" NOT NULL,
  request_digest text COLLATE "C" NOT NULL,
  UNIQUE (project, id)
);
CREATE UNIQUE INDEX evaluations_request ON evaluations (project, request_id) WHERE request_id <> '';
CREATE INDEX evaluations_page ON evaluations (project, create_time, id);

-- Snapshots of the scenario revisions that evaluations pin.
CREATE TABLE scenarios (
  seq      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project  text COLLATE "C" NOT NULL,
  id       text COLLATE "C" NOT NULL,
  revision text COLLATE "C" NOT NULL,
  body     bytea NOT NULL,
  UNIQUE (project, id, revision)
);

-- The scenarios of users. revision is the current one, a row of
-- user_scenario_revisions.
CREATE TABLE user_scenarios (
  seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project        text COLLATE "C" NOT NULL,
  id             text COLLATE "C" NOT NULL,
  revision       text COLLATE "C" NOT NULL,
  create_time    bigint NOT NULL,
  update_time    bigint NOT NULL,
  request_id     text COLLATE "C" NOT NULL,
  request_digest text COLLATE "C" NOT NULL,
  UNIQUE (project, id)
);
CREATE UNIQUE INDEX user_scenarios_request ON user_scenarios (project, request_id) WHERE request_id <> '';

CREATE TABLE user_scenario_revisions (
  seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scenario    bigint NOT NULL REFERENCES user_scenarios (seq),
  project     text COLLATE "C" NOT NULL,
  revision    text COLLATE "C" NOT NULL,
  title       text COLLATE "C" NOT NULL,
  queries     bigint NOT NULL,
  controls    bigint NOT NULL,
  create_time bigint NOT NULL,
  body        bytea NOT NULL,
  UNIQUE (scenario, revision)
);
CREATE INDEX user_scenario_revisions_page ON user_scenario_revisions (scenario, seq);

-- The counters of a run in progress change with every commit, so its pages keep
-- room for the next version of the row beside the last one.
CREATE TABLE runs (
  seq              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project          text COLLATE "C" NOT NULL,
  evaluation       text COLLATE "C" NOT NULL,
  id               text COLLATE "C" NOT NULL,
  model            text COLLATE "C" NOT NULL,
  checkpoint       text COLLATE "C" NOT NULL,
  state            text COLLATE "C" NOT NULL,
  planned          bigint NOT NULL,
  finished         bigint NOT NULL DEFAULT 0,
  errors           bigint NOT NULL DEFAULT 0,
  input_tokens     bigint NOT NULL DEFAULT 0,
  output_tokens    bigint NOT NULL DEFAULT 0,
  reasoning_tokens bigint NOT NULL DEFAULT 0,
  calls            bigint NOT NULL DEFAULT 0,
  error            text COLLATE "C" NOT NULL,
  plan_digest      text COLLATE "C" NOT NULL,
  concurrency      bigint NOT NULL,
  create_time      bigint NOT NULL,
  start_time       bigint,
  end_time         bigint,
  results          text COLLATE "C",
  request_id       text COLLATE "C" NOT NULL,
  request_digest   text COLLATE "C" NOT NULL,
  UNIQUE (project, evaluation, id),
  FOREIGN KEY (project, evaluation) REFERENCES evaluations (project, id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX runs_request ON runs (project, request_id) WHERE request_id <> '';
CREATE INDEX runs_page ON runs (project, evaluation, create_time, id);
CREATE INDEX runs_page_all ON runs (project, create_time, id, evaluation);
CREATE INDEX runs_unfinished ON runs (create_time, id) WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED');

-- The narrow part of a finished sample: all that lists, filters and results need.
-- error_class is NULL when there is a reply. behaviors are the behaviours that
-- the sample was found to show, by id, and those on which there is no judgement,
-- each with a question mark before it; joined by single spaces.
CREATE TABLE transcripts (
  seq               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project           text COLLATE "C" NOT NULL,
  run               bigint NOT NULL REFERENCES runs (seq),
  id                text COLLATE "C" NOT NULL,
  sample_index      bigint NOT NULL,
  scenario          text COLLATE "C" NOT NULL,
  condition         text COLLATE "C" NOT NULL,
  query             text COLLATE "C" NOT NULL,
  repeat            bigint NOT NULL,
  control           boolean NOT NULL,
  error_class       text COLLATE "C",
  observation       text COLLATE "C" NOT NULL,
  observable        boolean NOT NULL,
  finish_reason     text COLLATE "C" NOT NULL,
  compliance        text COLLATE "C" NOT NULL,
  alignment_faking  text COLLATE "C" NOT NULL,
  scenario_revision text COLLATE "C" NOT NULL,
  seed              bigint NOT NULL,
  error_status      bigint NOT NULL,
  error_message     bytea NOT NULL,
  error_attempts    bigint NOT NULL,
  native_kind       text COLLATE "C" NOT NULL,
  input_tokens      bigint NOT NULL,
  output_tokens     bigint NOT NULL,
  reasoning_tokens  bigint NOT NULL,
  model_id          bytea NOT NULL,
  latency_ns        bigint NOT NULL,
  attempts          bigint NOT NULL,
  whole             boolean NOT NULL,
  create_time       bigint NOT NULL,
  behaviors         text COLLATE "C" NOT NULL DEFAULT '?*',
  UNIQUE (run, id)
);
CREATE INDEX transcripts_page ON transcripts (run, sample_index, seq);

-- The wide part: messages, replies and parse, apart from what lists read. It is
-- compressed already, so PostgreSQL does not try to, and stays in its row up to
-- 8 KB, which saves a second table and its index for most replies.
CREATE TABLE transcript_texts (
  transcript bigint PRIMARY KEY,
  project    text COLLATE "C" NOT NULL,
  body       bytea NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE transcript_texts ALTER COLUMN body SET STORAGE EXTERNAL;

-- Long messages, kept once for a run however many samples were sent them.
CREATE TABLE prompts (
  seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project text COLLATE "C" NOT NULL,
  run     bigint NOT NULL REFERENCES runs (seq),
  digest  bytea NOT NULL,
  body    bytea NOT NULL,
  UNIQUE (run, digest)
);

-- human is set for the verdict of a person.
CREATE TABLE verdicts (
  seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project        text COLLATE "C" NOT NULL,
  run            bigint NOT NULL REFERENCES runs (seq),
  transcript     bigint NOT NULL REFERENCES transcripts (seq),
  id             text COLLATE "C" NOT NULL,
  create_time    bigint NOT NULL,
  body           bytea NOT NULL,
  human          boolean NOT NULL DEFAULT false,
  request_id     text COLLATE "C" NOT NULL DEFAULT '',
  request_digest text COLLATE "C" NOT NULL DEFAULT '',
  UNIQUE (transcript, id)
);
CREATE INDEX verdicts_page ON verdicts (run, create_time, id, transcript);
CREATE UNIQUE INDEX verdicts_request ON verdicts (project, request_id) WHERE request_id <> '';
CREATE INDEX verdicts_human ON verdicts (run, create_time, id, transcript) WHERE human = true;

CREATE TABLE label_sets (
  seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project        text COLLATE "C" NOT NULL,
  id             text COLLATE "C" NOT NULL,
  display_name   text COLLATE "C" NOT NULL,
  rule           text COLLATE "C" NOT NULL,
  digest         text COLLATE "C" NOT NULL,
  items          bigint NOT NULL,
  human_items    bigint NOT NULL,
  create_time    bigint NOT NULL,
  request_id     text COLLATE "C" NOT NULL,
  request_digest text COLLATE "C" NOT NULL,
  UNIQUE (project, id)
);
CREATE UNIQUE INDEX label_sets_request ON label_sets (project, request_id) WHERE request_id <> '';
CREATE INDEX label_sets_page ON label_sets (project, create_time, id);

CREATE TABLE labels (
  label_set bigint NOT NULL REFERENCES label_sets (seq),
  place     bigint NOT NULL,
  project   text COLLATE "C" NOT NULL,
  body      bytea NOT NULL,
  PRIMARY KEY (label_set, place)
);

-- Calibrations refer to graders, label sets and runs by name and digest only:
-- they outlive them.
CREATE TABLE calibrations (
  seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project       text COLLATE "C" NOT NULL,
  grader        text COLLATE "C" NOT NULL,
  id            text COLLATE "C" NOT NULL,
  grader_digest text COLLATE "C" NOT NULL,
  human         boolean NOT NULL,
  create_time   bigint NOT NULL,
  body          bytea NOT NULL,
  UNIQUE (project, grader, id)
);
CREATE INDEX calibrations_page ON calibrations (project, grader, create_time, id);
CREATE INDEX calibrations_page_all ON calibrations (project, create_time, id, grader);
CREATE INDEX calibrations_current ON calibrations (project, grader_digest, create_time, id, grader) WHERE human = true;

CREATE TABLE gates (
  seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project        text COLLATE "C" NOT NULL,
  id             text COLLATE "C" NOT NULL,
  display_name   text COLLATE "C" NOT NULL,
  policy         text COLLATE "C" NOT NULL,
  create_time    bigint NOT NULL,
  request_id     text COLLATE "C" NOT NULL,
  request_digest text COLLATE "C" NOT NULL,
  UNIQUE (project, id)
);
CREATE UNIQUE INDEX gates_request ON gates (project, request_id) WHERE request_id <> '';
CREATE INDEX gates_page ON gates (project, create_time, id);

-- Decisions refer to gates and runs by name only: they outlive both. checkpoint
-- says which weights a decision was about; empty where it is not known.
CREATE TABLE decisions (
  seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project     text COLLATE "C" NOT NULL,
  gate        text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  evaluation  text COLLATE "C" NOT NULL,
  run         text COLLATE "C" NOT NULL,
  policy      text COLLATE "C" NOT NULL,
  decision    text COLLATE "C" NOT NULL,
  evidence    bytea NOT NULL,
  create_time bigint NOT NULL,
  checkpoint  text COLLATE "C" NOT NULL DEFAULT '',
  UNIQUE (project, gate, id)
);
CREATE INDEX decisions_page ON decisions (project, gate, create_time, id);
CREATE INDEX decisions_page_all ON decisions (project, create_time, id, gate);
CREATE INDEX decisions_page_run ON decisions (project, evaluation, run, create_time, id, gate);
CREATE INDEX decisions_checkpoint ON decisions (project, checkpoint, create_time, id, gate) WHERE checkpoint <> '';
