package relational

import (
	"context"
	"fmt"
	"time"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

const (
	userScenarioSeq = "SELECT seq FROM user_scenarios WHERE project = ? AND id = ?"

	selectUserScenario = `SELECT u.seq, u.project, u.create_time, u.update_time, u.request_id, u.request_digest, r.body
		FROM user_scenarios u JOIN user_scenario_revisions r ON r.scenario = u.seq AND `
	currentUserScenario = selectUserScenario + "r.revision = u.revision WHERE u.project = ? AND u.id = ?"
	// userScenarioByRequest repeats the condition of its partial index, or SQLite
	// would not use it.
	userScenarioByRequest = selectUserScenario + "r.revision = u.revision WHERE u.project = ? AND u.request_id = ? AND u.request_id <> ''"
	// pinnedUserScenario finds the revisions between two bounds: those with a
	// prefix. It reads two at most, to know whether there is one only.
	pinnedUserScenario = selectUserScenario + "r.revision >= ? AND r.revision < ? WHERE u.project = ? AND u.id = ? LIMIT 2"
	listUserScenarios  = selectUserScenario + "r.revision = u.revision WHERE u.project = ? AND u.id > ? ORDER BY u.id LIMIT ?"

	listScenarioRevisions = `SELECT r.seq, r.revision, r.title, r.queries, r.controls, r.create_time, r.revision = u.revision
		FROM user_scenario_revisions r JOIN user_scenarios u ON u.seq = r.scenario
		WHERE r.scenario = ? AND r.seq > ? ORDER BY r.seq LIMIT ?`
)

// userScenarioRow is a scenario with its place and its packed content.
type userScenarioRow struct {
	seq  int64
	body []byte
	run.Scenario
}

func scanUserScenario(row Scanner) (u userScenarioRow, err error) {
	var created, updated int64
	err = row.Scan(&u.seq, &u.Project, &created, &updated, &u.RequestID, &u.RequestDigest, &u.body)
	u.CreateTime, u.UpdateTime = fromMicros(created), fromMicros(updated)
	return u, err
}

// unpacked returns the scenario of a row with its content.
func (s *Store) unpacked(u userScenarioRow) (run.Scenario, error) {
	doc, err := s.packer.unpack(u.body)
	if err != nil {
		return run.Scenario{}, err
	}
	u.Scenario.Scenario = &scenario.Scenario{}
	return u.Scenario, decode(doc, u.Scenario.Scenario)
}

func (s *Store) packedScenario(sc *scenario.Scenario) ([]byte, error) {
	doc, err := encode(*sc)
	if err != nil {
		return nil, err
	}
	return s.packer.pack(doc), nil
}

// CreateUserScenario implements run.Store.
func (s *Store) CreateUserScenario(ctx context.Context, in run.Scenario) (run.Scenario, error) {
	name := run.ScenarioName(in.ID)
	body, err := s.packedScenario(in.Scenario)
	if err != nil {
		return run.Scenario{}, fmt.Errorf("create %s: %w", name, err)
	}
	creationOf := func(u userScenarioRow) creation {
		return creation{name: name, requestID: u.RequestID, requestDigest: u.RequestDigest}
	}
	kept := userScenarioRow{Scenario: in, body: body}
	kept.CreateTime, kept.UpdateTime = stored(in.CreateTime), stored(in.UpdateTime)
	err = s.db.Write(ctx, "create "+name, 2, func(tx Tx) error {
		found, ok, err := earlier(creation{name, in.RequestID, in.RequestDigest},
			func() (userScenarioRow, error) {
				return one(tx, scanUserScenario, name, currentUserScenario, in.Project, in.ID)
			},
			func() (userScenarioRow, error) {
				return one(tx, scanUserScenario, name, userScenarioByRequest, in.Project, in.RequestID)
			}, creationOf)
		if err != nil {
			return err
		}
		if ok {
			kept = found
			return nil
		}
		seq, err := tx.Insert(`INSERT INTO user_scenarios (project, id, revision, create_time, update_time, request_id, request_digest)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			in.Project, in.ID, in.Revision, micros(in.CreateTime), micros(in.UpdateTime), in.RequestID, in.RequestDigest)
		if err != nil {
			return err
		}
		return insertRevision(tx, seq, in.Project, in.Scenario, in.UpdateTime, body)
	})
	if err != nil {
		return run.Scenario{}, err
	}
	return s.unpacked(kept)
}

func insertRevision(tx Tx, seq int64, project string, sc *scenario.Scenario, at time.Time, body []byte) error {
	r := run.RevisionOf(sc)
	return tx.Run(`INSERT INTO user_scenario_revisions (scenario, project, revision, title, queries, controls, create_time, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (scenario, revision) DO NOTHING`,
		seq, project, r.Revision, r.Title, r.Queries, r.Controls, micros(at), body)
}

// UpdateUserScenario implements run.Store.
func (s *Store) UpdateUserScenario(ctx context.Context, project string, content *scenario.Scenario, at time.Time) (run.Scenario, error) {
	name := run.ScenarioName(content.ID)
	body, err := s.packedScenario(content)
	if err != nil {
		return run.Scenario{}, fmt.Errorf("update %s: %w", name, err)
	}
	var kept userScenarioRow
	err = s.db.Write(ctx, "update "+name, 2, func(tx Tx) error {
		seq, err := one(tx, scanSeq, name, userScenarioSeq+s.dialect.Lock, project, content.ID)
		if err != nil {
			return err
		}
		if err := insertRevision(tx, seq, project, content, at, body); err != nil {
			return err
		}
		err = tx.Run("UPDATE user_scenarios SET revision = ?, update_time = ? WHERE seq = ? AND revision <> ?",
			content.Revision, micros(at), seq, content.Revision)
		if err != nil {
			return err
		}
		kept, err = one(tx, scanUserScenario, name, currentUserScenario, project, content.ID)
		return err
	})
	if err != nil {
		return run.Scenario{}, err
	}
	return s.unpacked(kept)
}

// GetUserScenario implements run.Store.
func (s *Store) GetUserScenario(ctx context.Context, project, id, revision string) (run.Scenario, error) {
	name := run.ScenarioName(id)
	if revision != "" {
		name += "@" + revision
	}
	var rows []userScenarioRow
	err := s.db.Read(ctx, "get "+name, func(r Querier) (err error) {
		if revision == "" {
			rows, err = Collect(r, scanUserScenario, currentUserScenario, project, id)
		} else {
			// All revisions are hexadecimal behind their prefix, so "g" is beyond.
			rows, err = Collect(r, scanUserScenario, pinnedUserScenario, revision, revision+"g", project, id)
		}
		return err
	})
	if err != nil {
		return run.Scenario{}, err
	}
	if len(rows) != 1 {
		return run.Scenario{}, &run.NotFoundError{Name: name}
	}
	return s.unpacked(rows[0])
}

// ListUserScenarios implements run.Store.
func (s *Store) ListUserScenarios(ctx context.Context, project, after string, limit int) ([]run.Scenario, error) {
	var rows []userScenarioRow
	err := s.db.Read(ctx, "list scenarios", func(r Querier) (err error) {
		rows, err = Collect(r, scanUserScenario, listUserScenarios, project, after, min(limit, maxPage))
		return err
	})
	if err != nil {
		return nil, err
	}
	items := make([]run.Scenario, len(rows))
	for i, row := range rows {
		if items[i], err = s.unpacked(row); err != nil {
			return nil, fmt.Errorf("list scenarios: %w", err)
		}
	}
	return items, nil
}

// revisionRow is a revision with its place.
type revisionRow struct {
	seq int64
	run.ScenarioRevision
}

func scanRevision(row Scanner) (r revisionRow, err error) {
	var created int64
	err = row.Scan(&r.seq, &r.Revision, &r.Title, &r.Queries, &r.Controls, &created, &r.Current)
	r.CreateTime = fromMicros(created)
	return r, err
}

// ListScenarioRevisions implements run.Store.
func (s *Store) ListScenarioRevisions(ctx context.Context, project, id string, p run.Page) (items []run.ScenarioRevision, next string, err error) {
	l := list{"scenarioRevisions", project, id}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	name := run.ScenarioName(id)
	err = s.db.Snapshot(ctx, "list revisions of "+name, func(r Querier) error {
		seq, err := one(r, scanSeq, name, userScenarioSeq, project, id)
		if err != nil {
			return err
		}
		rows, err := Collect(r, scanRevision, listScenarioRevisions, seq, from.rank, limit)
		if err != nil {
			return err
		}
		rows, next = cut(l, rows, limit, func(row revisionRow) position { return position{rank: row.seq} })
		items = make([]run.ScenarioRevision, len(rows))
		for i, row := range rows {
			row.ID = id
			items[i] = row.ScenarioRevision
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return items, next, nil
}

// DeleteUserScenario implements run.Store.
func (s *Store) DeleteUserScenario(ctx context.Context, project, id string) error {
	name := run.ScenarioName(id)
	return s.db.Write(ctx, "delete "+name, 1, func(tx Tx) error {
		seq, err := one(tx, scanSeq, name, userScenarioSeq+s.dialect.Lock, project, id)
		if err != nil {
			return err
		}
		if err := tx.Run("DELETE FROM user_scenario_revisions WHERE scenario = ?", seq); err != nil {
			return err
		}
		return tx.Run("DELETE FROM user_scenarios WHERE seq = ?", seq)
	})
}
