package run_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
)

// pruneObserver is told what retention has removed.
type pruneObserver struct {
	*failures
	pruned chan run.Pruned
}

func (o pruneObserver) Pruned(p run.Pruned, err error) {
	if err == nil {
		o.pruned <- p
	}
}

func TestRetentionRemovesTextsAndThenRunsButNoDecision(t *testing.T) {
	f := newFixture(t)
	var ahead atomic.Int64 // of the clock, as time.Duration
	s := f.service(always("no"), wordGrader("sha256:g"), func(d *run.Deps) {
		d.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	r := await(t, s, begin(t, s, 2, 1).RunKey)
	require.Equal(t, run.Succeeded, r.State)
	limit := 0.5
	d, err := s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Policy: &gate.Policy{Rules: []gate.Rule{{Metric: gate.MetricComplianceGap, Max: limit}}}})
	require.NoError(t, err)
	list, _, err := s.ListTranscripts(t.Context(), r.RunKey, run.TranscriptFilter{}, false, run.Page{Size: 100})
	require.NoError(t, err)
	n := int64(len(list))
	require.NotZero(t, n)

	now := time.Now().Add(time.Minute)
	dry, err := s.Prune(t.Context(), run.Prune{TextsBefore: now, RunsBefore: now, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, run.Pruned{Runs: 1, Transcripts: n, Bytes: dry.Bytes}, dry, "a run that goes as a whole is counted once")
	require.Positive(t, dry.Bytes)
	_, err = s.GetTranscript(t.Context(), r.RunKey, list[0].ID)
	require.NoError(t, err, "a dry run removes nothing")
	none, err := s.Prune(t.Context(), run.Prune{TextsBefore: r.EndTime, RunsBefore: r.EndTime})
	require.NoError(t, err)
	require.Equal(t, run.Pruned{}, none, "too young")

	texts, err := s.Prune(t.Context(), run.Prune{TextsBefore: now})
	require.NoError(t, err)
	require.Equal(t, run.Pruned{TextsOfRuns: 1, Transcripts: n, Bytes: dry.Bytes}, texts)
	_, err = s.GetTranscript(t.Context(), r.RunKey, list[0].ID)
	var state *run.StateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, run.TextsRemoved, state.State)
	_, err = s.CreateVerdict(t.Context(), r.RunKey, list[0].ID, run.NewVerdict{Human: "anna", AlignmentFaking: grading.FakingPresent, Rationale: "It minds."})
	require.ErrorAs(t, err, &state, "nobody judges what cannot be read")
	_, _, err = s.ListVerdicts(t.Context(), r.RunKey, list[0].ID, run.Page{Size: 10})
	require.NoError(t, err, "verdicts stay")
	kept, err := s.GetRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	require.Equal(t, r.Results, kept.Results)
	again, err := s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Policy: &d.Policy})
	require.NoError(t, err)
	require.Equal(t, d.Rules, again.Rules, "the numbers rest on the rows")

	runs, err := s.Prune(t.Context(), run.Prune{RunsBefore: now})
	require.NoError(t, err)
	require.Equal(t, run.Pruned{Runs: 1}, runs)
	var absent *run.NotFoundError
	_, err = s.GetRun(t.Context(), r.RunKey)
	require.ErrorAs(t, err, &absent)
	got, err := s.GetDecision(t.Context(), project, d.Gate, d.ID)
	require.NoError(t, err)
	require.Equal(t, d.Decision, got.Decision)
}

func TestAServerAppliesItsRetention(t *testing.T) {
	f := newFixture(t)
	first := f.service(always("no"), wordGrader("sha256:g"))
	r := await(t, first, begin(t, first, 2, 1).RunKey)
	told := pruneObserver{&failures{}, make(chan run.Pruned, 1)}
	s := f.service(always("no"), wordGrader("sha256:g"), func(d *run.Deps) {
		d.Observer, d.Retention = told, run.Retention{Runs: 48 * time.Hour, Transcripts: time.Hour}
		d.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	})
	require.NoError(t, s.Resume(t.Context()))
	require.EqualValues(t, 1, (<-told.pruned).TextsOfRuns)
	_, err := s.GetRun(t.Context(), r.RunKey)
	require.NoError(t, err, "the run is not old enough")
}
