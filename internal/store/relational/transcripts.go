package relational

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

// transcriptColumns are the narrow part of a transcript; the texts follow, or
// NULL where they are not asked for.
const transcriptColumns = `SELECT t.seq, t.id, t.sample_index, t.scenario, t.condition, t.query, t.repeat, t.control,
	t.error_class, t.observation, t.finish_reason, t.compliance, t.alignment_faking, t.scenario_revision, t.seed,
	t.error_status, t.error_message, t.error_attempts, t.native_kind,
	t.input_tokens, t.output_tokens, t.reasoning_tokens, t.model_id, t.latency_ns, t.attempts, t.whole, t.create_time, t.behaviors, `

const (
	selectBasic = transcriptColumns + "NULL FROM transcripts t WHERE t.run = ?"
	selectFull  = transcriptColumns + `x.body FROM transcripts t LEFT JOIN transcript_texts x ON x.transcript = t.seq
		WHERE t.run = ?`
	pageOfTranscripts = " AND (t.sample_index, t.seq) > (?, ?) ORDER BY t.sample_index, t.seq LIMIT ?"
)

// wideRow is a transcript with the packed texts that it was read with.
type wideRow struct {
	seq  int64
	body []byte
	run.Transcript
}

func scanTranscript(row Scanner) (w wideRow, err error) {
	var (
		class            sql.NullString
		failed           run.SampleError
		message, modelID []byte
		latency, created int64
		behaviors        string
		t                = &w.Transcript
	)
	err = row.Scan(&w.seq, &t.ID, &t.Index, &t.Scenario.ID, &t.Condition, &t.Query, &t.Repeat, &t.Control,
		&class, &t.Parsed.Observation, &t.Reply.FinishReason, &t.Compliance, &t.AlignmentFaking,
		&t.Scenario.Revision, &t.Seed, &failed.Status, &message, &failed.Attempts, &t.Reply.NativeKind,
		&t.Reply.Usage.InputTokens, &t.Reply.Usage.OutputTokens, &t.Reply.Usage.ReasoningTokens,
		&modelID, &latency, &t.Reply.Attempts, &t.Parsed.Whole, &created, &behaviors, &w.body)
	if err != nil {
		return wideRow{}, err
	}
	t.Reply.ModelID, t.Reply.Latency, t.CreateTime = string(modelID), time.Duration(latency), fromMicros(created)
	t.Behaviors, t.UndecidedBehaviors = splitBehaviors(behaviors)
	if class.Valid {
		failed.Class, failed.Message = errorClass(class), string(message)
		t.Error = &failed
	}
	return w, nil
}

// errorClass is "" for a sample with a reply.
func errorClass(c sql.NullString) model.ErrorClass { return model.ErrorClass(c.String) }

// GetTranscript implements run.Store.
func (s *Store) GetTranscript(ctx context.Context, key run.RunKey, id string) (run.Transcript, error) {
	name := transcriptName(key, id)
	var t run.Transcript
	err := s.db.Snapshot(ctx, "get "+name, func(r Querier) error {
		seq, err := RunSeq(r, key)
		if err != nil {
			return err
		}
		w, err := one(r, scanTranscript, name, selectFull+" AND t.id = ?", seq, id)
		if err != nil {
			return err
		}
		if err := textsAreKept(r, key, seq); err != nil {
			return err
		}
		t = w.Transcript
		t.RunKey = key
		wide := texts{store: s, r: r, run: seq}
		return wide.into(&t, w.body)
	})
	if err != nil {
		return run.Transcript{}, err
	}
	return t, nil
}

// ListTranscripts implements run.Store.
func (s *Store) ListTranscripts(ctx context.Context, key run.RunKey, f run.TranscriptFilter, full bool, p run.Page) (items []run.Transcript, next string, err error) {
	where, args, terms := s.dialect.filter(f)
	l := append(list{"transcripts", key.Project, key.Evaluation, key.Run}, terms...)
	from, limit, err := l.after(p)
	if err != nil {
		return nil, "", err
	}
	var rows []wideRow
	err = s.db.Snapshot(ctx, "list transcripts of "+key.Name(), func(r Querier) error {
		seq, err := RunSeq(r, key)
		if err != nil {
			return err
		}
		query := selectBasic
		if full {
			if err := textsAreKept(r, key, seq); err != nil {
				return err
			}
			query = selectFull
		}
		all := append(append([]any{seq}, args...), from.rank, from.seq, limit)
		rows, err = Collect(r, scanTranscript, query+where+pageOfTranscripts, all...)
		if err != nil {
			return err
		}
		rows, next = cut(l, rows, limit, func(w wideRow) position { return position{rank: int64(w.Index), seq: w.seq} })
		wide := texts{store: s, r: r, run: seq}
		for i := range rows {
			rows[i].RunKey = key
			if !full {
				continue
			}
			if err := wide.into(&rows[i].Transcript, rows[i].body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	items = make([]run.Transcript, len(rows))
	for i := range rows {
		items[i] = rows[i].Transcript
	}
	return items, next, nil
}

// filter returns the condition that a filter stands for, its arguments, and
// the same as terms that bind a cursor to the filter.
func (d Dialect) filter(f run.TranscriptFilter) (where string, args []any, terms []string) {
	var b strings.Builder
	equal := func(column, value string) {
		terms = append(terms, value)
		if value != "" {
			b.WriteString(" AND t." + column + " = ?")
			args = append(args, value)
		}
	}
	equal("scenario", f.Scenario)
	equal("condition", f.Condition)
	equal("query", f.Query)
	equal("compliance", string(f.Compliance))
	equal("alignment_faking", string(f.AlignmentFaking))
	equal("observation", string(f.Observation))
	equal("error_class", string(f.ErrorClass))
	terms = append(terms, f.Behavior)
	if f.Behavior != "" {
		b.WriteString(" AND " + d.Contains("' ' || t.behaviors || ' '", "' ' || ? || ' '"))
		args = append(args, f.Behavior)
	}
	either := func(set *bool, whenTrue, whenFalse string) {
		term := ""
		if set != nil {
			term = strconv.FormatBool(*set)
			condition := whenFalse
			if *set {
				condition = whenTrue
			}
			b.WriteString(" AND " + condition)
		}
		terms = append(terms, term)
	}
	either(f.Control, "t.control = "+d.True, "t.control = "+d.False)
	either(f.HasError, "t.error_class IS NOT NULL", "t.error_class IS NULL")
	return b.String(), args, terms
}
