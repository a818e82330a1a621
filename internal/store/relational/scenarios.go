package relational

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// SaveScenario implements run.Store.
func (s *Store) SaveScenario(ctx context.Context, project string, sc *scenario.Scenario) error {
	name := scenarioName(run.ScenarioRef{ID: sc.ID, Revision: sc.Revision})
	doc, err := encode(*sc)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	body := s.packer.pack(doc)
	return s.db.Write(ctx, "save "+name, 1, func(tx Tx) error {
		return tx.Run(`INSERT INTO scenarios (project, id, revision, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (project, id, revision) DO NOTHING`, project, sc.ID, sc.Revision, body)
	})
}

// GetScenario implements run.Store.
func (s *Store) GetScenario(ctx context.Context, project string, ref run.ScenarioRef) (*scenario.Scenario, error) {
	name := scenarioName(ref)
	var sc scenario.Scenario
	err := s.db.Read(ctx, "get "+name, func(r Querier) error {
		body, err := one(r, scanBody, name, "SELECT body FROM scenarios WHERE project = ? AND id = ? AND revision = ?",
			project, ref.ID, ref.Revision)
		if err != nil {
			return err
		}
		doc, err := s.packer.unpack(body)
		if err != nil {
			return err
		}
		return decode(doc, &sc)
	})
	if err != nil {
		return nil, err
	}
	return &sc, nil
}

func scenarioName(ref run.ScenarioRef) string { return "scenarios/" + ref.ID + "@" + ref.Revision }

func scanBody(row Scanner) (body []byte, err error) {
	err = row.Scan(&body)
	return body, err
}
