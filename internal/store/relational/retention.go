package relational

import (
	"context"
	"fmt"
	"time"

	"github.com/unmask-eval/unmask/internal/run"
)

// What runs.texts says. REMOVING is where a removal was begun: from then on nobody
// reads a text, and it can be gone on with.
const (
	textsKept     = "KEPT"
	textsRemoving = "REMOVING"
	textsRemoved  = "REMOVED"
)

const endedRuns = `SELECT project, evaluation, id, coalesce(end_time, create_time), texts FROM runs
	WHERE state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND coalesce(end_time, create_time) < ? AND texts <> ?
	AND (project, evaluation, id) > (?, ?, ?) ORDER BY project, evaluation, id LIMIT ?`

const (
	countTexts = `SELECT count(*), coalesce(sum(length(x.body)), 0) FROM transcripts t
		JOIN transcript_texts x ON x.transcript = t.seq WHERE t.run = ?`
	countPrompts = "SELECT coalesce(sum(length(body)), 0) FROM prompts WHERE run = ?"
)

// EndedRuns implements run.Store.
func (s *Store) EndedRuns(ctx context.Context, before time.Time, withTexts bool, after run.RunKey, limit int) (items []run.EndedRun, err error) {
	scan := func(row Scanner) (e run.EndedRun, err error) {
		var ended int64
		var texts string
		err = row.Scan(&e.Project, &e.Evaluation, &e.Run, &ended, &texts)
		e.EndTime, e.TextsRemoved = fromMicros(ended), texts != textsKept
		return e, err
	}
	not := ""
	if withTexts {
		not = textsRemoved
	}
	err = s.db.Read(ctx, "list ended runs", func(r Querier) error {
		items, err = Collect(r, scan, endedRuns, micros(before), not, after.Project, after.Evaluation, after.Run, limit)
		return err
	})
	return items, err
}

// TextsOf implements run.Store.
func (s *Store) TextsOf(ctx context.Context, key run.RunKey) (transcripts, bytes int64, err error) {
	err = s.db.Snapshot(ctx, "measure the texts of "+key.Name(), func(r Querier) error {
		seq, err := RunSeq(r, key)
		if err != nil {
			return err
		}
		var prompts int64
		if err := r.Row(countTexts, seq).Scan(&transcripts, &bytes); err != nil {
			return err
		}
		err = r.Row(countPrompts, seq).Scan(&prompts)
		bytes += prompts
		return err
	})
	return transcripts, bytes, err
}

// textsChunk is how many transcripts lose their texts in one transaction.
const textsChunk = 500

const (
	textsToRemove = `SELECT sample_index, seq FROM transcripts WHERE run = ? AND (sample_index, seq) > (?, ?)
		ORDER BY sample_index, seq LIMIT ?`
	deleteTexts = `DELETE FROM transcript_texts WHERE transcript IN (SELECT seq FROM transcripts
		WHERE run = ? AND (sample_index, seq) > (?, ?) AND (sample_index, seq) <= (?, ?))`
)

// RemoveTexts implements run.Store.
func (s *Store) RemoveTexts(ctx context.Context, key run.RunKey) error {
	from, next := position{rank: -1}, position{}
	for done := false; !done; {
		err := s.db.Write(ctx, "remove texts of "+key.Name(), textsChunk, func(tx Tx) error {
			// Processes that do this at the same time take turns, step by step.
			if err := s.dialect.exclude(tx, "retention"); err != nil {
				return err
			}
			if err := s.expectState(tx, key, run.Succeeded, run.Failed, run.Cancelled); err != nil {
				return err
			}
			seq, err := RunSeq(tx, key)
			if err != nil {
				return err
			}
			chunk, err := Collect(tx, func(row Scanner) (p position, err error) {
				err = row.Scan(&p.rank, &p.seq)
				return p, err
			}, textsToRemove, seq, from.rank, from.seq, textsChunk)
			if err != nil {
				return err
			}
			state := textsRemoving
			if done = len(chunk) < textsChunk; done {
				state = textsRemoved
				if err := tx.Run("DELETE FROM prompts WHERE run = ?", seq); err != nil {
					return err
				}
			}
			if err := tx.Run("UPDATE runs SET texts = ? WHERE seq = ? AND texts <> ?", state, seq, state); err != nil || len(chunk) == 0 {
				return err
			}
			last := chunk[len(chunk)-1]
			err = tx.Run(deleteTexts, seq, from.rank, from.seq, last.rank, last.seq)
			if err == nil {
				next = last
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("remove the texts of %s: %w", key.Name(), err)
		}
		from = next
	}
	return nil
}

// textsAreKept returns a *run.StateError for a run whose texts were removed, so that
// nothing is taken for an empty text.
func textsAreKept(r Querier, key run.RunKey, seq int64) error {
	var texts string
	if err := r.Row("SELECT texts FROM runs WHERE seq = ?", seq).Scan(&texts); err != nil {
		return err
	}
	if texts != textsKept {
		return &run.StateError{Name: key.Name(), State: run.TextsRemoved, Want: "the texts of its transcripts, which were removed for their age"}
	}
	return nil
}
