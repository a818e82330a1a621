package relational

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/run"
)

const selectEvaluation = `SELECT project, id, display_name, plan, plan_digest, create_time, request_id, request_digest
	FROM evaluations WHERE project = ? AND `

// evaluationByRequest repeats the condition of its partial index, or SQLite would not
// use it.
const evaluationByRequest = selectEvaluation + "request_id = ? AND request_id <> ''"

const listEvaluations = selectEvaluation + `(create_time, id) > (?, ?) ORDER BY create_time, id LIMIT ?`

func scanEvaluation(row Scanner) (e run.Evaluation, err error) {
	var plan []byte
	var created int64
	err = row.Scan(&e.Project, &e.ID, &e.DisplayName, &plan, &e.PlanDigest, &created, &e.RequestID, &e.RequestDigest)
	if err != nil {
		return run.Evaluation{}, err
	}
	e.CreateTime = fromMicros(created)
	return e, decode(plan, &e.Plan)
}

func evaluationByID(q Querier, project, id string) (run.Evaluation, error) {
	return one(q, scanEvaluation, run.EvaluationName(id), selectEvaluation+"id = ?", project, id)
}

func evaluationCreation(e run.Evaluation) creation {
	return creation{name: run.EvaluationName(e.ID), requestID: e.RequestID, requestDigest: e.RequestDigest}
}

// CreateEvaluation implements run.Store.
func (s *Store) CreateEvaluation(ctx context.Context, e run.Evaluation) (kept run.Evaluation, err error) {
	name := run.EvaluationName(e.ID)
	plan, err := encode(e.Plan)
	if err != nil {
		return run.Evaluation{}, fmt.Errorf("create %s: %w", name, err)
	}
	err = s.db.Write(ctx, "create "+name, 1, func(tx Tx) error {
		found, ok, err := earlier(evaluationCreation(e),
			func() (run.Evaluation, error) { return evaluationByID(tx, e.Project, e.ID) },
			func() (run.Evaluation, error) {
				return one(tx, scanEvaluation, name, evaluationByRequest, e.Project, e.RequestID)
			}, evaluationCreation)
		if err != nil {
			return err
		}
		if kept = found; ok {
			return nil
		}
		kept = e
		kept.CreateTime = stored(e.CreateTime)
		return tx.Run(`INSERT INTO evaluations
			(project, id, display_name, plan, plan_digest, create_time, request_id, request_digest)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			e.Project, e.ID, e.DisplayName, string(plan), e.PlanDigest, micros(e.CreateTime), e.RequestID, e.RequestDigest)
	})
	if err != nil {
		return run.Evaluation{}, err
	}
	return kept, nil
}

// GetEvaluation implements run.Store.
func (s *Store) GetEvaluation(ctx context.Context, project, id string) (e run.Evaluation, err error) {
	err = s.db.Read(ctx, "get "+run.EvaluationName(id), func(r Querier) (err error) {
		e, err = evaluationByID(r, project, id)
		return err
	})
	return e, err
}

// ListEvaluations implements run.Store.
func (s *Store) ListEvaluations(ctx context.Context, project string, p run.Page) (items []run.Evaluation, next string, err error) {
	l := list{"evaluations", project}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	err = s.db.Read(ctx, "list evaluations", func(r Querier) (err error) {
		items, err = Collect(r, scanEvaluation, listEvaluations, project, from.rank, from.id, limit)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	items, next = cut(l, items, limit, func(e run.Evaluation) position {
		return position{rank: micros(e.CreateTime), id: e.ID}
	})
	return items, next, nil
}

// DeleteEvaluation implements run.Store.
func (s *Store) DeleteEvaluation(ctx context.Context, project, id string) error {
	name := run.EvaluationName(id)
	return s.db.Write(ctx, "delete "+name, 1, func(tx Tx) error {
		var runs int
		err := tx.Row("SELECT count(*) FROM runs WHERE project = ? AND evaluation = ?", project, id).Scan(&runs)
		if err != nil {
			return err
		}
		if runs > 0 {
			return &run.StateError{Name: name, State: fmt.Sprintf("in use by %d runs", runs), Want: "an evaluation without runs"}
		}
		n, err := tx.Changed("DELETE FROM evaluations WHERE project = ? AND id = ?", project, id)
		return required(n, err, name)
	})
}
