-- The scenarios of users with their revisions. The table scenarios stays what it
-- is: snapshots of what evaluations pin, which outlive a deletion here.

-- +goose Up

-- revision is the current one, a row of user_scenario_revisions.
CREATE TABLE user_scenarios (
  seq            INTEGER PRIMARY KEY,
  project        TEXT    NOT NULL,
  id             TEXT    NOT NULL,
  revision       TEXT    NOT NULL,
  create_time    INTEGER NOT NULL,
  update_time    INTEGER NOT NULL,
  request_id     TEXT    NOT NULL,
  request_digest TEXT    NOT NULL,
  UNIQUE (project, id)
) STRICT;
CREATE UNIQUE INDEX user_scenarios_request ON user_scenarios (project, request_id) WHERE request_id <> '';

CREATE TABLE user_scenario_revisions (
  seq         INTEGER PRIMARY KEY,
  scenario    INTEGER NOT NULL REFERENCES user_scenarios (seq),
  project     TEXT    NOT NULL,
  revision    TEXT    NOT NULL,
  title       TEXT    NOT NULL,
  queries     INTEGER NOT NULL,
  controls    INTEGER NOT NULL,
  create_time INTEGER NOT NULL,
  body        BLOB    NOT NULL,
  UNIQUE (scenario, revision)
) STRICT;
CREATE INDEX user_scenario_revisions_page ON user_scenario_revisions (scenario, seq);
