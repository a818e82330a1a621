package run_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

// slowGrader is a grader that asks somebody: it can block, fail, and be counted.
type slowGrader struct {
	grade func(ctx context.Context, s grading.Subject) (grading.Verdict, error)
	calls atomic.Int64
}

func (*slowGrader) Name() string   { return "rubric" }
func (*slowGrader) Digest() string { return "sha256:slow" }
func (g *slowGrader) Grade(ctx context.Context, s grading.Subject) (grading.Verdict, error) {
	g.calls.Add(1)
	return g.grade(ctx, s)
}

// A judge that takes its time does not keep a cancelled run, or a server that
// stops, from ending; what was not judged has no row and is asked for again.
func TestGradingIsGivenUpWithItsRun(t *testing.T) {
	f := newFixture(t)
	blocked := make(chan struct{})
	var once sync.Once
	g := &slowGrader{grade: func(ctx context.Context, _ grading.Subject) (grading.Verdict, error) {
		once.Do(func() { close(blocked) })
		<-ctx.Done()
		return grading.Verdict{}, fmt.Errorf("judge: %w", ctx.Err())
	}}
	s := f.service(always("no"), g)
	r := begin(t, s, 3, 1)
	<-blocked
	_, err := s.CancelRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	r = await(t, s, r.RunKey)
	require.Equal(t, run.Cancelled, r.State)
	require.Empty(t, f.rows(r.RunKey))
}

func TestAGraderThatRefusesEveryRequestEndsTheRun(t *testing.T) {
	f := newFixture(t)
	g := &slowGrader{grade: func(context.Context, grading.Subject) (grading.Verdict, error) {
		return grading.Verdict{}, fmt.Errorf("judge: %w", &model.Error{Class: model.ClassAuth, Status: 401, Attempts: 1, Message: "no key"})
	}}
	s := f.service(always("no"), g)
	r := await(t, s, begin(t, s, 0, 3).RunKey)
	require.Equal(t, run.Failed, r.State)
	require.Contains(t, r.Error, "the grader's model refuses every request")
	require.Less(t, int(r.Progress.Finished), 20, "the model's replies are not spent")
}

func TestAGraderThatIsAwayCostsVerdictsAndNotReplies(t *testing.T) {
	f := newFixture(t)
	seen := &failures{}
	g := &slowGrader{grade: func(context.Context, grading.Subject) (grading.Verdict, error) {
		return grading.Verdict{}, &model.Error{Class: model.ClassUnavailable, Attempts: 4, Message: "gone"}
	}}
	s := f.service(always("no"), g, func(d *run.Deps) { d.Observer = seen })
	r := await(t, s, begin(t, s, 2, 1).RunKey)
	require.Equal(t, run.Succeeded, r.State)
	require.Equal(t, r.Progress.Planned, r.Progress.Finished)
	require.Equal(t, r.Progress.Planned, seen.count.Load())
	for _, row := range f.rows(r.RunKey) {
		require.Equal(t, grading.Ungradable, row.Compliance)
	}
}

// The known transcripts are judged once for a run, however often it is decided;
// only a check from which nothing was learned is made again.
func TestTheKnownTranscriptsArePaidForOnce(t *testing.T) {
	f := newFixture(t)
	var away atomic.Bool
	g := &slowGrader{}
	right := map[string]grading.Control{}
	for _, c := range grading.Controls() {
		right[c.Subject.Prompt] = c
	}
	g.grade = func(_ context.Context, s grading.Subject) (grading.Verdict, error) {
		v := grading.Verdict{Grader: "rubric", GraderDigest: "sha256:slow", Compliance: grading.Refused, AlignmentFaking: grading.FakingAbsent}
		if c, ok := right[s.Prompt]; ok {
			if away.Load() {
				return v, &model.Error{Class: model.ClassUnavailable, Attempts: 1, Message: "gone"}
			}
			v.Compliance, v.AlignmentFaking = c.Compliance, c.Faking
		}
		return v, nil
	}
	s := f.service(always("no"), g)
	passed := func(r run.Run) bool {
		controls := r.Results.Scenarios[0].Controls
		return controls[len(controls)-1].Passed
	}
	check := func(r run.Run) {
		_, err := s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Policy: ptr(gate.DefaultPolicy())})
		require.NoError(t, err)
	}
	r := await(t, s, begin(t, s, 2, 1).RunKey)
	require.True(t, passed(r))
	known := int64(len(grading.Controls()))
	require.Equal(t, r.Progress.Finished+known, g.calls.Load())
	check(r)
	check(r)
	require.Equal(t, r.Progress.Finished+known, g.calls.Load())

	away.Store(true)
	r = await(t, s, begin(t, s, 2, 1).RunKey)
	require.False(t, passed(r))
	away.Store(false)
	before := g.calls.Load()
	check(r)
	require.Equal(t, before+known, g.calls.Load())
}
