package relational

import (
	"context"

	"github.com/unmask-eval/unmask/internal/run"
)

const selectVerdict = `SELECT v.transcript, t.id, v.id, v.create_time, v.body, v.request_id, v.request_digest
	FROM verdicts v JOIN transcripts t ON t.seq = v.transcript WHERE `

const (
	listVerdicts    = selectVerdict + "v.run = ? AND (v.create_time, v.id, v.transcript) > (?, ?, ?) ORDER BY v.create_time, v.id, v.transcript LIMIT ?"
	listVerdictsOf  = selectVerdict + "v.transcript = ? AND (v.create_time, v.id) > (?, ?) ORDER BY v.create_time, v.id LIMIT ?"
	verdictOf       = selectVerdict + "v.transcript = ? AND v.id = ?"
	transcriptSeqOf = "SELECT seq FROM transcripts WHERE run = ? AND id = ?"
)

// verdictRow is a verdict with the number of its transcript and its packed judgement.
type verdictRow struct {
	transcript int64
	body       []byte
	run.Verdict
}

func scanVerdict(row Scanner) (v verdictRow, err error) {
	var created int64
	err = row.Scan(&v.transcript, &v.Transcript, &v.ID, &created, &v.body, &v.RequestID, &v.RequestDigest)
	v.CreateTime = fromMicros(created)
	return v, err
}

// judgement unpacks the verdict of a row.
func (s *Store) judgement(key run.RunKey, row verdictRow) (run.Verdict, error) {
	doc, err := s.packer.unpack(row.body)
	if err != nil {
		return run.Verdict{}, err
	}
	v := row.Verdict
	v.RunKey = key
	return v, decode(doc, &v.Verdict)
}

func transcriptSeq(q Querier, run int64, name, id string) (int64, error) {
	return one(q, func(row Scanner) (seq int64, err error) {
		err = row.Scan(&seq)
		return seq, err
	}, name, transcriptSeqOf, run, id)
}

// GetVerdict implements run.Store.
func (s *Store) GetVerdict(ctx context.Context, key run.RunKey, transcript, id string) (v run.Verdict, err error) {
	name := verdictName(key, transcript, id)
	err = s.db.Snapshot(ctx, "get "+name, func(r Querier) error {
		seq, err := RunSeq(r, key)
		if err != nil {
			return err
		}
		of, err := transcriptSeq(r, seq, transcriptName(key, transcript), transcript)
		if err != nil {
			return err
		}
		row, err := one(r, scanVerdict, name, verdictOf, of, id)
		if err != nil {
			return err
		}
		v, err = s.judgement(key, row)
		return err
	})
	if err != nil {
		return run.Verdict{}, err
	}
	return v, nil
}

// ListVerdicts implements run.Store.
func (s *Store) ListVerdicts(ctx context.Context, key run.RunKey, transcript string, p run.Page) (items []run.Verdict, next string, err error) {
	l := list{"verdicts", key.Project, key.Evaluation, key.Run, transcript}
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	err = s.db.Snapshot(ctx, "list verdicts of "+transcriptName(key, transcript), func(r Querier) error {
		seq, err := RunSeq(r, key)
		if err != nil {
			return err
		}
		query, args := listVerdicts, []any{seq, from.rank, from.id, from.seq, limit}
		if transcript != "-" {
			of, err := transcriptSeq(r, seq, transcriptName(key, transcript), transcript)
			if err != nil {
				return err
			}
			query, args = listVerdictsOf, []any{of, from.rank, from.id, limit}
		}
		rows, err := Collect(r, scanVerdict, query, args...)
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
