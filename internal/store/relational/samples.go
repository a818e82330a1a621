package relational

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"sync"

	"github.com/unmask-eval/unmask/internal/run"
)

// Sample is a finished sample in its stored form. It is made by the caller's
// goroutine, so that whoever writes only writes.
type Sample struct {
	// ID is the sample's id in its run.
	ID string
	// Columns are the values of SampleColumns.
	Columns []any
	// Body is what transcript_texts holds.
	Body []byte
	// Prompts are the rows of prompts that Body refers to.
	Prompts []PackedPrompt
	// Verdict is nil where there is none.
	Verdict *PackedVerdict
	Counts  Counts
}

// SampleColumns are the columns of transcripts beside seq, project and run.
const SampleColumns = `id, sample_index, scenario, condition, query, repeat, control,
	error_class, observation, observable, finish_reason, compliance, alignment_faking, scenario_revision, seed,
	error_status, error_message, error_attempts, native_kind, input_tokens, output_tokens, reasoning_tokens,
	model_id, latency_ns, attempts, whole, create_time, behaviors`

// PackedPrompt is a row of prompts.
type PackedPrompt struct {
	Digest [sha256.Size]byte
	Body   []byte
}

// PackedVerdict is a row of verdicts.
type PackedVerdict struct {
	ID string
	// Created is its creation time in microseconds.
	Created int64
	Body    []byte
}

// Counts are what samples add to their run's counters.
type Counts struct {
	Finished, Errors, Calls                    int64
	InputTokens, OutputTokens, ReasoningTokens int64
}

// Add adds d.
func (c *Counts) Add(d Counts) {
	c.Finished += d.Finished
	c.Errors += d.Errors
	c.Calls += d.Calls
	c.InputTokens += d.InputTokens
	c.OutputTokens += d.OutputTokens
	c.ReasoningTokens += d.ReasoningTokens
}

// AddCounts is the statement that adds counts to a run, by its seq.
const AddCounts = `UPDATE runs SET finished = finished + ?, errors = errors + ?, calls = calls + ?,
	input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, reasoning_tokens = reasoning_tokens + ?
	WHERE seq = ?`

// Args are the arguments of AddCounts.
func (c *Counts) Args(run int64) []any {
	return []any{c.Finished, c.Errors, c.Calls, c.InputTokens, c.OutputTokens, c.ReasoningTokens, run}
}

// scratch holds buffers for bodies before they are packed. Large ones are left
// to the garbage collector.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

const scratchMax = 64 << 10

// pack brings a finished sample of the run into its stored form.
func (s *Store) pack(key run.RunKey, f *run.Finished) (Sample, error) {
	t := &f.Transcript
	if t.RunKey != (run.RunKey{}) && t.RunKey != key {
		return Sample{}, fmt.Errorf("sample %s belongs to %s", t.ID, t.Name())
	}
	out := Sample{ID: t.ID, Counts: count(t)}
	text := scratch.Get().(*[]byte)
	body, prompts := appendTexts((*text)[:0], t)
	out.Body = s.packer.pack(body)
	if *text = body; cap(body) <= scratchMax {
		scratch.Put(text)
	}
	for _, p := range prompts {
		out.Prompts = append(out.Prompts, PackedPrompt{p.digest, s.prompts.get(p, s.packer.pack)})
	}
	if f.Verdict != nil {
		v := f.Verdict
		if v.Transcript != "" && v.Transcript != t.ID {
			return Sample{}, fmt.Errorf("the verdict with sample %s is on %s", t.ID, v.Transcript)
		}
		doc, err := encode(v.Verdict)
		if err != nil {
			return Sample{}, fmt.Errorf("verdict on sample %s: %w", t.ID, err)
		}
		out.Verdict = &PackedVerdict{ID: v.ID, Created: micros(v.CreateTime), Body: s.packer.pack(doc)}
	}
	var failed run.SampleError
	var class sql.NullString
	if t.Error != nil {
		failed = *t.Error
		class = sql.NullString{String: string(failed.Class), Valid: true}
	}
	out.Columns = []any{
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

func count(t *run.Transcript) Counts {
	c := Counts{
		Finished: 1, Calls: int64(t.Reply.Attempts), InputTokens: t.Reply.Usage.InputTokens,
		OutputTokens: t.Reply.Usage.OutputTokens, ReasoningTokens: t.Reply.Usage.ReasoningTokens,
	}
	if t.Error != nil {
		c.Errors = 1
		c.Calls += int64(t.Error.Attempts)
	}
	return c
}

// SaveFinished implements run.Store. Items whose RunKey is set and is not key,
// and verdicts on another sample, are an error.
func (s *Store) SaveFinished(ctx context.Context, key run.RunKey, batch []run.Finished) (inserted int, err error) {
	what := "save samples of " + key.Name()
	samples := make([]Sample, len(batch))
	for i := range batch {
		if samples[i], err = s.pack(key, &batch[i]); err != nil {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
	}
	return s.db.Save(ctx, what, key, samples)
}
