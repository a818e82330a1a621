package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/unmask-eval/unmask/internal/run"
)

// sample is a finished sample in its stored form. It is made by the caller's
// goroutine, so that the writer only writes.
type sample struct {
	id      string
	columns []any
	body    []byte
	prompts []packedPrompt
	verdict *packedVerdict
	counts  counts
}

type packedPrompt struct {
	digest digest
	body   []byte
}

type packedVerdict struct {
	id      string
	created int64
	body    []byte
}

// counts are what a sample adds to its run's counters.
type counts struct {
	finished, errors, calls                    int64
	inputTokens, outputTokens, reasoningTokens int64
}

func (c *counts) add(d counts) {
	c.finished += d.finished
	c.errors += d.errors
	c.calls += d.calls
	c.inputTokens += d.inputTokens
	c.outputTokens += d.outputTokens
	c.reasoningTokens += d.reasoningTokens
}

// scratch holds buffers for bodies before they are packed. Large ones are left
// to the garbage collector.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

const scratchMax = 64 << 10

// pack brings a finished sample of the run into its stored form.
func (s *Store) pack(key run.RunKey, f *run.Finished) (sample, error) {
	t := &f.Transcript
	if t.RunKey != (run.RunKey{}) && t.RunKey != key {
		return sample{}, fmt.Errorf("sample %s belongs to %s", t.ID, t.Name())
	}
	out := sample{id: t.ID, counts: count(t)}
	text := scratch.Get().(*[]byte)
	body, prompts := appendTexts((*text)[:0], t)
	out.body = s.packer.pack(body)
	if *text = body; cap(body) <= scratchMax {
		scratch.Put(text)
	}
	for _, p := range prompts {
		out.prompts = append(out.prompts, packedPrompt{p.digest, s.prompts.get(p, s.packer.pack)})
	}
	if f.Verdict != nil {
		v := f.Verdict
		if v.Transcript != "" && v.Transcript != t.ID {
			return sample{}, fmt.Errorf("the verdict with sample %s is on %s", t.ID, v.Transcript)
		}
		doc, err := encode(v.Verdict)
		if err != nil {
			return sample{}, fmt.Errorf("verdict on sample %s: %w", t.ID, err)
		}
		out.verdict = &packedVerdict{id: v.ID, created: micros(v.CreateTime), body: s.packer.pack(doc)}
	}
	var failed run.SampleError
	var class sql.NullString
	if t.Error != nil {
		failed = *t.Error
		class = sql.NullString{String: string(failed.Class), Valid: true}
	}
	out.columns = []any{
		t.ID, t.Index, t.Scenario.ID, t.Condition, t.Query, t.Repeat, t.Control,
		class, string(t.Parsed.Observation), t.Parsed.Observable(), string(t.Reply.FinishReason),
		string(t.Compliance), string(t.AlignmentFaking), t.Scenario.Revision, t.Seed,
		failed.Status, []byte(failed.Message), failed.Attempts, string(t.Reply.NativeKind),
		t.Reply.Usage.InputTokens, t.Reply.Usage.OutputTokens, t.Reply.Usage.ReasoningTokens,
		[]byte(t.Reply.ModelID), int64(t.Reply.Latency), t.Reply.Attempts, t.Parsed.Whole, micros(t.CreateTime),
		joinBehaviors(t.Behaviors, t.UndecidedBehaviors),
	}
	return out, nil
}

func count(t *run.Transcript) counts {
	c := counts{
		finished: 1, calls: int64(t.Reply.Attempts), inputTokens: t.Reply.Usage.InputTokens,
		outputTokens: t.Reply.Usage.OutputTokens, reasoningTokens: t.Reply.Usage.ReasoningTokens,
	}
	if t.Error != nil {
		c.errors = 1
		c.calls += int64(t.Error.Attempts)
	}
	return c
}

const (
	insertTranscript = `INSERT INTO transcripts (project, run, id, sample_index, scenario, condition, query, repeat, control,
		error_class, observation, observable, finish_reason, compliance, alignment_faking, scenario_revision, seed,
		error_status, error_message, error_attempts, native_kind, input_tokens, output_tokens, reasoning_tokens,
		model_id, latency_ns, attempts, whole, create_time, behaviors)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run, id) DO NOTHING`
	insertTexts   = "INSERT INTO transcript_texts (transcript, project, body) VALUES (?, ?, ?)"
	insertPrompt  = "INSERT INTO prompts (project, run, digest, body) VALUES (?, ?, ?, ?) ON CONFLICT (run, digest) DO NOTHING"
	insertVerdict = "INSERT INTO verdicts (project, run, transcript, id, create_time, body) VALUES (?, ?, ?, ?, ?, ?)"
	addCounts     = `UPDATE runs SET finished = finished + ?, errors = errors + ?, calls = calls + ?,
		input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, reasoning_tokens = reasoning_tokens + ?
		WHERE seq = ?`
)

// SaveFinished implements run.Store. Items whose RunKey is set and is not key,
// and verdicts on another sample, are an error.
func (s *Store) SaveFinished(ctx context.Context, key run.RunKey, batch []run.Finished) (inserted int, err error) {
	what := "save samples of " + key.Name()
	samples := make([]sample, len(batch))
	for i := range batch {
		if samples[i], err = s.pack(key, &batch[i]); err != nil {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
	}
	err = s.write(ctx, what, len(batch), func(tx *writeTx) error {
		inserted = 0
		seq, err := runSeq(tx, key)
		if err != nil {
			return err
		}
		var total counts
		for i := range samples {
			fresh, err := samples[i].insert(tx, key.Project, seq)
			if err != nil {
				return fmt.Errorf("sample %s: %w", samples[i].id, err)
			}
			if fresh {
				total.add(samples[i].counts)
			}
		}
		if inserted = int(total.finished); inserted == 0 {
			return nil
		}
		return tx.run(addCounts, total.finished, total.errors, total.calls,
			total.inputTokens, total.outputTokens, total.reasoningTokens, seq)
	})
	if err != nil {
		return 0, err
	}
	return inserted, nil
}

// insert writes a sample with all that belongs to it, unless it has a row.
func (p *sample) insert(tx *writeTx, project string, seq int64) (fresh bool, err error) {
	res, err := tx.exec(insertTranscript, append([]any{project, seq}, p.columns...)...)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return false, err
	}
	if err := tx.run(insertTexts, id, project, p.body); err != nil {
		return false, err
	}
	for _, m := range p.prompts {
		if err := tx.run(insertPrompt, project, seq, m.digest[:], m.body); err != nil {
			return false, err
		}
	}
	if v := p.verdict; v != nil {
		return true, tx.run(insertVerdict, project, seq, id, v.id, v.created, v.body)
	}
	return true, nil
}
