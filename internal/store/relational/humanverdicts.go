package relational

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/run"
)

// listHumanVerdicts repeats the condition of its partial index, or SQLite would
// not use it.
func (d Dialect) listHumanVerdicts() string {
	return selectVerdict + "v.run = ? AND v.human = " + d.True +
		" AND (v.create_time, v.id, v.transcript) > (?, ?, ?) ORDER BY v.create_time, v.id, v.transcript LIMIT ?"
}

// verdictByRequest finds a verdict in any run of the project, with the names of
// what it hangs on.
const verdictByRequest = `SELECT r.evaluation, r.id, v.transcript, t.id, v.id, v.create_time, v.body, v.request_id, v.request_digest
	FROM verdicts v JOIN transcripts t ON t.seq = v.transcript JOIN runs r ON r.seq = v.run
	WHERE v.project = ? AND v.request_id = ? AND v.request_id <> ''`

// scanRequested reads a verdict that was found by its request.
func (s *Store) scanRequested(project string) func(Scanner) (run.Verdict, error) {
	return func(r Scanner) (run.Verdict, error) {
		key := run.RunKey{Project: project}
		var row verdictRow
		var created int64
		err := r.Scan(&key.Evaluation, &key.Run, &row.transcript, &row.Transcript, &row.ID, &created, &row.body, &row.RequestID, &row.RequestDigest)
		if err != nil {
			return run.Verdict{}, err
		}
		row.CreateTime = fromMicros(created)
		return s.judgement(key, row)
	}
}

func verdictCreation(v run.Verdict) creation {
	return creation{name: verdictName(v.RunKey, v.Transcript, v.ID), requestID: v.RequestID, requestDigest: v.RequestDigest}
}

// CreateVerdict implements run.Store.
func (s *Store) CreateVerdict(ctx context.Context, v run.Verdict) (kept run.Verdict, err error) {
	name := verdictName(v.RunKey, v.Transcript, v.ID)
	doc, err := encode(v.Verdict)
	if err != nil {
		return run.Verdict{}, fmt.Errorf("create %s: %w", name, err)
	}
	body := s.packer.pack(doc)
	_, human := v.Human()
	err = s.db.Write(ctx, "create "+name, 1, func(tx Tx) error {
		seq, err := RunSeq(tx, v.RunKey)
		if err != nil {
			return err
		}
		of, err := transcriptSeq(tx, seq, transcriptName(v.RunKey, v.Transcript), v.Transcript)
		if err != nil {
			return err
		}
		found, ok, err := earlier(verdictCreation(v),
			func() (run.Verdict, error) {
				row, err := one(tx, scanVerdict, name, verdictOf, of, v.ID)
				if err != nil {
					return run.Verdict{}, err
				}
				return s.judgement(v.RunKey, row)
			},
			func() (run.Verdict, error) {
				return one(tx, s.scanRequested(v.Project), name, verdictByRequest, v.Project, v.RequestID)
			}, verdictCreation)
		if err != nil {
			return err
		}
		if kept = found; ok {
			return nil
		}
		kept = v
		kept.CreateTime = stored(v.CreateTime)
		return tx.Run(`INSERT INTO verdicts (project, run, transcript, id, create_time, body, human, request_id, request_digest)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.Project, seq, of, v.ID, micros(v.CreateTime), body, human, v.RequestID, v.RequestDigest)
	})
	if err != nil {
		return run.Verdict{}, err
	}
	return kept, nil
}

// ListHumanVerdicts implements run.Store.
func (s *Store) ListHumanVerdicts(ctx context.Context, key run.RunKey, p run.Page) (items []run.Verdict, next string, err error) {
	l := list{"humanVerdicts", key.Project, key.Evaluation, key.Run}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	err = s.db.Snapshot(ctx, "list verdicts of people on "+key.Name(), func(r Querier) error {
		seq, err := RunSeq(r, key)
		if err != nil {
			return err
		}
		rows, err := Collect(r, scanVerdict, s.dialect.listHumanVerdicts(), seq, from.rank, from.id, from.seq, limit)
		if err != nil {
			return err
		}
		rows, next = cut(l, rows, limit, func(v verdictRow) position {
			return position{rank: micros(v.CreateTime), id: v.ID, seq: v.transcript}
		})
		items = make([]run.Verdict, len(rows))
		for i, row := range rows {
			if items[i], err = s.judgement(key, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return items, next, nil
}
