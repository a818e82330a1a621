package relational

import (
	"context"
	"database/sql"
	"math"

	"github.com/unmask-eval/unmask/internal/run"
)

// FinishedSamples implements run.Store.
func (s *Store) FinishedSamples(ctx context.Context, key run.RunKey) (ids map[string]struct{}, err error) {
	err = s.db.Snapshot(ctx, "list finished samples of "+key.Name(), func(r Querier) error {
		seq, err := RunSeq(r, key)
		if err != nil {
			return err
		}
		ids = map[string]struct{}{}
		_, err = Collect(r, func(row Scanner) (struct{}, error) {
			var id string
			err := row.Scan(&id)
			ids[id] = struct{}{}
			return struct{}{}, err
		}, "SELECT id FROM transcripts WHERE run = ?", seq)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

const selectRows = `SELECT seq, sample_index, scenario, condition, query, repeat, control, error_class,
	observation, observable, finish_reason, compliance, alignment_faking, behaviors
	FROM transcripts WHERE run = ? AND (sample_index, seq) > (?, ?) AND sample_index < ? ORDER BY sample_index, seq LIMIT ?`

// indexedRow is a row with its place in the order.
type indexedRow struct {
	seq, index int64
	run.Row
}

func scanIndexedRow(row Scanner) (r indexedRow, err error) {
	var class sql.NullString
	var behaviors string
	err = row.Scan(&r.seq, &r.index, &r.Scenario, &r.Condition, &r.Query, &r.Repeat, &r.Control, &class,
		&r.Observation, &r.Observable, &r.FinishReason, &r.Compliance, &r.AlignmentFaking, &behaviors)
	r.ErrorClass = errorClass(class)
	r.Behaviors, r.UndecidedBehaviors = splitBehaviors(behaviors)
	return r, err
}

// rowChunk is how many rows EachRow reads at a time.
const rowChunk = 2000

// EachRow implements run.Store. It reads in pieces and holds no connection
// while fn runs, so fn may use the store and take its time. Rows that were
// finished before the call are all seen; later ones may be. When the run is
// deleted on the way, the error is a *run.NotFoundError.
func (s *Store) EachRow(ctx context.Context, key run.RunKey, fn func(run.Row) error) error {
	return s.EachRowIn(ctx, key, 0, math.MaxInt64, func(_ int, r run.Row) error { return fn(r) })
}

// EachRowIn implements run.Store, as EachRow does.
func (s *Store) EachRowIn(ctx context.Context, key run.RunKey, first, end int, fn func(int, run.Row) error) error {
	what := "read rows of " + key.Name()
	var seq int64
	err := s.db.Read(ctx, what, func(r Querier) (err error) {
		seq, err = RunSeq(r, key)
		return err
	})
	if err != nil {
		return err
	}
	from := position{rank: int64(first) - 1, seq: math.MaxInt64}
	for {
		var chunk []indexedRow
		err := s.db.Snapshot(ctx, what, func(r Querier) (err error) {
			chunk, err = Collect(r, scanIndexedRow, selectRows, seq, from.rank, from.seq, end, rowChunk)
			if err != nil || len(chunk) == rowChunk {
				return err
			}
			// The end: the rows are whole only if the run is still there.
			have, err := RunSeq(r, key)
			if err == nil && have != seq {
				err = &run.NotFoundError{Name: key.Name()}
			}
			return err
		})
		if err != nil {
			return err
		}
		for i := range chunk {
			if err := fn(int(chunk[i].index), chunk[i].Row); err != nil {
				return err
			}
		}
		if len(chunk) < rowChunk {
			return nil
		}
		last := chunk[len(chunk)-1]
		from = position{rank: last.index, seq: last.seq}
	}
}
