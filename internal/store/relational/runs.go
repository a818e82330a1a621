package relational

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/run"
)

const selectRun = `SELECT project, evaluation, id, model, checkpoint, state, planned, finished, errors,
	input_tokens, output_tokens, reasoning_tokens, calls, error, plan_digest, concurrency,
	create_time, start_time, end_time, results, request_id, request_digest
	FROM runs WHERE `

// runByRequest repeats the condition of its partial index, or SQLite would not
// use it.
const runByRequest = selectRun + "project = ? AND request_id = ? AND request_id <> ''"

const (
	listRuns = selectRun + `project = ? AND evaluation = ? AND (create_time, id) > (?, ?)
		ORDER BY create_time, id LIMIT ?`
	listAllRuns = selectRun + `project = ? AND (create_time, id, evaluation) > (?, ?, ?)
		ORDER BY create_time, id, evaluation LIMIT ?`
	listUnfinished = selectRun + `state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')
		ORDER BY create_time, id, evaluation, project`
)

func scanRun(row Scanner) (r run.Run, err error) {
	var (
		checkpoint, results []byte
		created             int64
		started, ended      sql.NullInt64
	)
	err = row.Scan(&r.Project, &r.Evaluation, &r.Run, &r.Model, &checkpoint, &r.State,
		&r.Progress.Planned, &r.Progress.Finished, &r.Progress.Errors,
		&r.Usage.InputTokens, &r.Usage.OutputTokens, &r.Usage.ReasoningTokens, &r.Calls, &r.Error,
		&r.PlanDigest, &r.Concurrency, &created, &started, &ended, &results, &r.RequestID, &r.RequestDigest)
	if err != nil {
		return run.Run{}, err
	}
	r.CreateTime, r.StartTime, r.EndTime = fromMicros(created), fromOptional(started), fromOptional(ended)
	if err := decode(checkpoint, &r.Checkpoint); err != nil {
		return run.Run{}, err
	}
	if results != nil {
		r.Results = new(run.Results)
		return r, decode(results, r.Results)
	}
	return r, nil
}

func runByKey(q Querier, key run.RunKey) (run.Run, error) {
	return one(q, scanRun, key.Name(), selectRun+"project = ? AND evaluation = ? AND id = ?",
		key.Project, key.Evaluation, key.Run)
}

// RunSeq returns the number under which the rows of a run are kept.
func RunSeq(q Querier, key run.RunKey) (int64, error) {
	scan := func(row Scanner) (seq int64, err error) {
		err = row.Scan(&seq)
		return seq, err
	}
	return one(q, scan, key.Name(), "SELECT seq FROM runs WHERE project = ? AND evaluation = ? AND id = ?",
		key.Project, key.Evaluation, key.Run)
}

func runCreation(r run.Run) creation {
	return creation{name: r.Name(), requestID: r.RequestID, requestDigest: r.RequestDigest}
}

// encodeResults is NULL for no results.
func encodeResults(r *run.Results) (sql.NullString, error) {
	if r == nil {
		return sql.NullString{}, nil
	}
	b, err := encode(*r)
	return sql.NullString{String: string(b), Valid: true}, err
}

// CreateRun implements run.Store. The counters of a new run are zero, whatever
// r says: only SaveFinished counts.
func (s *Store) CreateRun(ctx context.Context, r run.Run) (run.Run, error) {
	return s.createRun(ctx, r, func(Tx) error { return nil })
}

// CreateRunWithin implements run.Store.
func (s *Store) CreateRunWithin(ctx context.Context, r run.Run, room func(unfinished []run.Run) error) (run.Run, error) {
	return s.createRun(ctx, r, func(tx Tx) error {
		unfinished, err := Collect(tx, scanRun, listUnfinished)
		if err != nil {
			return err
		}
		return room(unfinished)
	}, "runs")
}

// createRun keeps a run if allowed finds nothing against it, while no other
// transaction excludes one of the names.
func (s *Store) createRun(ctx context.Context, r run.Run, allowed func(Tx) error, names ...string) (kept run.Run, err error) {
	r.Progress = run.Progress{Planned: r.Progress.Planned}
	r.Usage.InputTokens, r.Usage.OutputTokens, r.Usage.ReasoningTokens, r.Calls = 0, 0, 0, 0
	checkpoint, err := encode(r.Checkpoint)
	if err != nil {
		return run.Run{}, fmt.Errorf("create %s: %w", r.Name(), err)
	}
	results, err := encodeResults(r.Results)
	if err != nil {
		return run.Run{}, fmt.Errorf("create %s: %w", r.Name(), err)
	}
	err = s.db.Write(ctx, "create "+r.Name(), 1, func(tx Tx) error {
		for _, name := range names {
			if err := s.dialect.exclude(tx, name); err != nil {
				return err
			}
		}
		if _, err := evaluationByID(tx, r.Project, r.Evaluation); err != nil {
			return err
		}
		found, ok, err := earlier(runCreation(r),
			func() (run.Run, error) { return runByKey(tx, r.RunKey) },
			func() (run.Run, error) {
				return one(tx, scanRun, r.Name(), runByRequest, r.Project, r.RequestID)
			}, runCreation)
		if err != nil {
			return err
		}
		if kept = found; ok {
			return nil
		}
		if err := allowed(tx); err != nil {
			return err
		}
		kept = r
		kept.CreateTime, kept.StartTime, kept.EndTime = stored(r.CreateTime), stored(r.StartTime), stored(r.EndTime)
		return tx.Run(`INSERT INTO runs
			(project, evaluation, id, model, checkpoint, state, planned, error, plan_digest, concurrency,
			 create_time, start_time, end_time, results, request_id, request_digest)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.Project, r.Evaluation, r.Run, r.Model, string(checkpoint), string(r.State), r.Progress.Planned,
			r.Error, r.PlanDigest, r.Concurrency, micros(r.CreateTime), optional(r.StartTime), optional(r.EndTime),
			results, r.RequestID, r.RequestDigest)
	})
	if err != nil {
		return run.Run{}, err
	}
	return kept, nil
}

// GetRun implements run.Store.
func (s *Store) GetRun(ctx context.Context, key run.RunKey) (r run.Run, err error) {
	err = s.db.Read(ctx, "get "+key.Name(), func(rd Querier) (err error) {
		r, err = runByKey(rd, key)
		return err
	})
	return r, err
}

// ListRuns implements run.Store.
func (s *Store) ListRuns(ctx context.Context, project, evaluation string, p run.Page) (items []run.Run, next string, err error) {
	l := list{"runs", project, evaluation}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	err = s.db.Read(ctx, "list runs of "+run.EvaluationName(evaluation), func(r Querier) (err error) {
		if evaluation == "-" {
			items, err = Collect(r, scanRun, listAllRuns, project, from.rank, from.id, from.parent, limit)
			return err
		}
		if _, err := evaluationByID(r, project, evaluation); err != nil {
			return err
		}
		items, err = Collect(r, scanRun, listRuns, project, evaluation, from.rank, from.id, limit)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	items, next = cut(l, items, limit, func(r run.Run) position {
		return position{rank: micros(r.CreateTime), id: r.Run, parent: r.Evaluation}
	})
	return items, next, nil
}

// ListUnfinished implements run.Store.
func (s *Store) ListUnfinished(ctx context.Context) (items []run.Run, err error) {
	err = s.db.Read(ctx, "list unfinished runs", func(r Querier) (err error) {
		items, err = Collect(r, scanRun, listUnfinished)
		return err
	})
	return items, err
}

// UpdateRun implements run.Store.
func (s *Store) UpdateRun(ctx context.Context, r run.Run, from ...run.State) error {
	results, err := encodeResults(r.Results)
	if err != nil {
		return fmt.Errorf("update %s: %w", r.Name(), err)
	}
	return s.db.Write(ctx, "update "+r.Name(), 1, func(tx Tx) error {
		if err := s.expectState(tx, r.RunKey, from...); err != nil {
			return err
		}
		return tx.Run(`UPDATE runs SET state = ?, error = ?, start_time = ?, end_time = ?, results = ?
			WHERE project = ? AND evaluation = ? AND id = ?`,
			string(r.State), r.Error, optional(r.StartTime), optional(r.EndTime), results,
			r.Project, r.Evaluation, r.Run)
	})
}

// expectState checks that a run exists and is in one of the given states, which
// still holds when the caller changes the run.
func (s *Store) expectState(tx Tx, key run.RunKey, want ...run.State) error {
	scan := func(row Scanner) (state run.State, err error) {
		err = row.Scan(&state)
		return state, err
	}
	have, err := one(tx, scan, key.Name(), "SELECT state FROM runs WHERE project = ? AND evaluation = ? AND id = ?"+s.dialect.Lock,
		key.Project, key.Evaluation, key.Run)
	if err != nil {
		return err
	}
	names := make([]string, len(want))
	for i, w := range want {
		if w == have {
			return nil
		}
		names[i] = string(w)
	}
	return &run.StateError{Name: key.Name(), State: string(have), Want: strings.Join(names, " or ")}
}

// DeleteRun implements run.Store.
func (s *Store) DeleteRun(ctx context.Context, key run.RunKey) error {
	return s.db.Write(ctx, "delete "+key.Name(), 1, func(tx Tx) error {
		if err := s.expectState(tx, key, run.Succeeded, run.Failed, run.Cancelled); err != nil {
			return err
		}
		seq, err := RunSeq(tx, key)
		if err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM verdicts WHERE run = ?",
			"DELETE FROM transcript_texts WHERE transcript IN (SELECT seq FROM transcripts WHERE run = ?)",
			"DELETE FROM transcripts WHERE run = ?",
			"DELETE FROM prompts WHERE run = ?",
			"DELETE FROM runs WHERE seq = ?",
		} {
			if err := tx.Run(query, seq); err != nil {
				return err
			}
		}
		return nil
	})
}
