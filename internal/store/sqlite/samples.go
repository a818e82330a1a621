package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

var insertTranscript = "INSERT INTO transcripts (project, run, " + relational.SampleColumns + ") VALUES (?, ?" +
	strings.Repeat(", ?", 1+strings.Count(relational.SampleColumns, ",")) + ") ON CONFLICT (run, id) DO NOTHING"

const (
	insertTexts   = "INSERT INTO transcript_texts (transcript, project, body) VALUES (?, ?, ?)"
	insertPrompt  = "INSERT INTO prompts (project, run, digest, body) VALUES (?, ?, ?, ?) ON CONFLICT (run, digest) DO NOTHING"
	insertVerdict = "INSERT INTO verdicts (project, run, transcript, id, create_time, body) VALUES (?, ?, ?, ?, ?, ?)"
)

// save carries out relational.Database.Save.
func (s *Store) save(ctx context.Context, what string, key run.RunKey, samples []relational.Sample) (inserted int, err error) {
	err = s.write(ctx, what, len(samples), func(tx *writeTx) error {
		inserted = 0
		seq, err := relational.RunSeq(tx, key)
		if err != nil {
			return err
		}
		var total relational.Counts
		for i := range samples {
			fresh, err := insert(tx, key.Project, seq, &samples[i])
			if err != nil {
				return fmt.Errorf("sample %s: %w", samples[i].ID, err)
			}
			if fresh {
				total.Add(samples[i].Counts)
			}
		}
		if inserted = int(total.Finished); inserted == 0 {
			return nil
		}
		return tx.Run(relational.AddCounts, total.Args(seq)...)
	})
	if err != nil {
		return 0, err
	}
	return inserted, nil
}

// insert writes a sample with all that belongs to it, unless it has a row.
func insert(tx *writeTx, project string, run int64, p *relational.Sample) (fresh bool, err error) {
	seq, err := tx.Insert(insertTranscript, append([]any{project, run}, p.Columns...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := tx.Run(insertTexts, seq, project, p.Body); err != nil {
		return false, err
	}
	for _, m := range p.Prompts {
		if err := tx.Run(insertPrompt, project, run, m.Digest[:], m.Body); err != nil {
			return false, err
		}
	}
	if v := p.Verdict; v != nil {
		return true, tx.Run(insertVerdict, project, run, seq, v.ID, v.Created, v.Body)
	}
	return true, nil
}
