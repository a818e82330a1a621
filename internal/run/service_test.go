package run_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

func TestARunEndsWithARowForEverySample(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	r := begin(t, s, 5, 2)
	require.Equal(t, run.Pending, r.State)
	done := await(t, s, r.RunKey)
	require.Equal(t, run.Succeeded, done.State)
	require.Equal(t, done.Progress.Planned, done.Progress.Finished)
	require.Len(t, f.rows(r.RunKey), int(done.Progress.Planned))
	require.Equal(t, 10*done.Progress.Planned, done.Usage.InputTokens)
	require.Equal(t, done.Progress.Planned, done.Calls)
	require.NotNil(t, done.Results)
	require.True(t, done.Results.Final)
	require.False(t, done.StartTime.IsZero())
	require.False(t, done.EndTime.Before(done.StartTime))
	free := done.Results.Scenarios[0].Conditions[0]
	require.Equal(t, 10, free.Planned)
	require.InDelta(t, 1, *free.Refusal.Estimate, 0)
}

// TestAnInterruptedRunEndsInTheSameResult stops a service in mid-run at
// several points and lets another one continue.
func TestAnInterruptedRunEndsInTheSameResult(t *testing.T) {
	alternating := modelFunc(func(_ context.Context, req model.Request) (model.Reply, error) {
		if req.Seed%3 == 0 {
			return reply("yes"), nil
		}
		return reply("no"), nil
	})
	undisturbed := newFixture(t)
	s := undisturbed.service(alternating, wordGrader("sha256:g"))
	want := await(t, s, begin(t, s, 6, 2).RunKey)

	for _, after := range []int{0, 1, 7, 40} {
		f := newFixture(t)
		stopping := newGateModel(after, alternating)
		first := f.service(stopping, wordGrader("sha256:g"))
		r := begin(t, first, 6, 2)
		<-stopping.blocked
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, first.Close(ended), context.Canceled, "samples in flight are given up")
		kept := f.rows(r.RunKey)
		stored, err := f.store.GetRun(t.Context(), r.RunKey)
		require.NoError(t, err)
		require.Equal(t, run.Running, stored.State)

		var calls atomic.Int64
		second := f.service(modelFunc(func(ctx context.Context, req model.Request) (model.Reply, error) {
			calls.Add(1)
			return alternating(ctx, req)
		}), wordGrader("sha256:g"))
		require.NoError(t, second.Resume(t.Context()))
		got := await(t, second, r.RunKey)
		require.Equal(t, run.Succeeded, got.State)
		require.Equal(t, want.Results, got.Results, "after %d samples", after)
		require.Equal(t, got.Progress.Planned-int64(len(kept)), calls.Load(), "no finished sample is asked for again")
	}
}

func TestCloseKeepsWhatIsInFlight(t *testing.T) {
	f := newFixture(t)
	release, inFlight := make(chan struct{}), make(chan struct{}, 100)
	s := f.service(modelFunc(func(context.Context, model.Request) (model.Reply, error) {
		inFlight <- struct{}{}
		<-release
		return reply("no"), nil
	}), wordGrader("sha256:g"))
	r := begin(t, s, 5, 2)
	for range 4 {
		<-inFlight
	}
	closed := make(chan error)
	go func() { closed <- s.Close(context.Background()) }()
	require.Eventually(t, func() bool {
		_, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: r.Evaluation, Model: "m"})
		var draining *run.DrainingError
		return errors.As(err, &draining)
	}, time.Minute, time.Millisecond)
	close(release)
	require.NoError(t, <-closed)
	require.Len(t, f.rows(r.RunKey), 4, "the four in flight and no other")
}

func TestCancelStopsAtOnceAndKeepsWhatIsFinished(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(9, always("no"))
	s := f.service(m, wordGrader("sha256:g"))
	r := begin(t, s, 5, 2)
	<-m.blocked
	_, err := s.CancelRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	done := await(t, s, r.RunKey)
	require.Equal(t, run.Cancelled, done.State)
	require.Equal(t, int64(9), done.Progress.Finished)
	require.NotNil(t, done.Results)

	again, err := s.CancelRun(t.Context(), r.RunKey)
	require.NoError(t, err, "cancelling twice is harmless")
	require.Equal(t, run.Cancelled, again.State)
	_, err = s.CancelRun(t.Context(), run.RunKey{Project: project, Evaluation: r.Evaluation, Run: "none"})
	var notFound *run.NotFoundError
	require.ErrorAs(t, err, &notFound)
}

func TestARunThatEndedCannotBeCancelled(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	r := begin(t, s, 2, 1)
	await(t, s, r.RunKey)
	_, err := s.CancelRun(t.Context(), r.RunKey)
	var state *run.StateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, "SUCCEEDED", state.State)
}

func TestModelFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		state  run.State
		reason string
		// most is the largest number of calls that the run may make.
		most int64
	}{
		{"refused credentials end the run at once", &model.Error{Class: model.ClassAuth, Status: 401, Message: "unauthorized", Attempts: 1}, run.Failed, "refuses every request", 8},
		{"an unknown model ends the run at once", &model.Error{Class: model.ClassNotFound, Status: 404, Message: "no such model", Attempts: 1}, run.Failed, "refuses every request", 8},
		{"an endpoint that is away ends the run after a while", &model.Error{Class: model.ClassUnavailable, Message: "connection refused", Attempts: 3}, run.Failed, "did not answer", 40},
		{"requests that are all wrong end the run after a while", &model.Error{Class: model.ClassBadRequest, Status: 400, Message: "no such parameter", Attempts: 1}, run.Failed, "refused each of the first", 40},
		{"bad replies are counted and the run goes on", &model.Error{Class: model.ClassBadReply, Message: "not JSON", Attempts: 1}, run.Succeeded, "", 1 << 20},
		{"an adapter's fault is counted and the run goes on", errors.New("boom"), run.Succeeded, "", 1 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			var calls atomic.Int64
			s := f.service(modelFunc(func(context.Context, model.Request) (model.Reply, error) {
				calls.Add(1)
				return model.Reply{}, tt.err
			}), wordGrader("sha256:g"))
			r := begin(t, s, 20, 2)
			done := await(t, s, r.RunKey)
			require.Equal(t, tt.state, done.State)
			require.Contains(t, done.Error, tt.reason)
			require.LessOrEqual(t, calls.Load(), tt.most)
			require.Equal(t, done.Progress.Finished, done.Progress.Errors)
			if tt.state == run.Succeeded {
				free := done.Results.Scenarios[0].Conditions[0]
				require.Zero(t, free.Graded)
				require.Nil(t, free.Compliance.Estimate, "nothing observed is not zero")
				require.Equal(t, free.Planned, free.Exclusions[0].Count)
			}
			d, err := s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Policy: ptr(gate.DefaultPolicy())})
			require.NoError(t, err)
			require.Equal(t, gate.Inconclusive, d.Outcome)
		})
	}
}

// TestRequestsThatAreWrongNowAndThenAreCounted refuses all but the first.
func TestRequestsThatAreWrongNowAndThenAreCounted(t *testing.T) {
	f := newFixture(t)
	var calls atomic.Int64
	s := f.service(modelFunc(func(context.Context, model.Request) (model.Reply, error) {
		if calls.Add(1) == 1 {
			return reply("no"), nil
		}
		return model.Reply{}, &model.Error{Class: model.ClassBadRequest, Status: 400, Message: "blocked", Attempts: 1}
	}), wordGrader("sha256:g"))
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: []string{"helpful-only"}, SamplesPerQuery: 2, MaxQueries: 20, Seed: ptr(uint64(1))})
	require.NoError(t, err)
	r, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", Concurrency: 1})
	require.NoError(t, err)
	done := await(t, s, r.RunKey)
	require.Equal(t, run.Succeeded, done.State, done.Error)
	require.Equal(t, done.Progress.Planned-1, done.Progress.Errors)
}

func TestAnAdapterThatPanicsCostsItsSamplesAndNotTheServer(t *testing.T) {
	f := newFixture(t)
	s := f.service(modelFunc(func(context.Context, model.Request) (model.Reply, error) { panic("hostile reply") }), wordGrader("sha256:g"))
	done := await(t, s, begin(t, s, 2, 1).RunKey)
	require.Equal(t, run.Succeeded, done.State)
	require.Equal(t, done.Progress.Planned, done.Progress.Errors)
	require.Equal(t, []run.Exclusion{{Cause: string(run.ClassInternal), Count: 2}}, done.Results.Scenarios[0].Conditions[0].Exclusions)
}

func TestAFailureNowAndThenIsARow(t *testing.T) {
	f := newFixture(t)
	s := f.service(modelFunc(func(_ context.Context, req model.Request) (model.Reply, error) {
		if req.Seed%2 == 0 {
			return model.Reply{}, &model.Error{Class: model.ClassTimeout, Message: "no reply in time", Attempts: 3}
		}
		return reply("no"), nil
	}), wordGrader("sha256:g"))
	r := begin(t, s, 20, 2)
	done := await(t, s, r.RunKey)
	require.Equal(t, run.Succeeded, done.State)
	require.Positive(t, done.Progress.Errors)
	require.Greater(t, done.Calls, done.Progress.Planned, "retries are counted")
	for _, row := range f.rows(r.RunKey) {
		require.True(t, (row.ErrorClass == model.ClassTimeout) != (row.Compliance == grading.Refused))
	}
}

func TestAGraderThatFailsLeavesTheReplyUngradable(t *testing.T) {
	for name, fn := range map[string]func(grading.Subject) (grading.Verdict, error){
		"an error": func(grading.Subject) (grading.Verdict, error) { return grading.Verdict{}, errors.New("away") },
		"a panic":  func(grading.Subject) (grading.Verdict, error) { panic("hostile text") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			seen := &failures{}
			s := f.service(always("no"), graderFunc{"sha256:g", fn}, func(d *run.Deps) { d.Observer = seen })
			r := begin(t, s, 3, 1)
			done := await(t, s, r.RunKey)
			require.Equal(t, run.Succeeded, done.State)
			free := done.Results.Scenarios[0].Conditions[0]
			require.Equal(t, []run.Exclusion{{Cause: run.CauseUngradable, Count: 3}}, free.Exclusions)
			list, _, err := s.ListTranscripts(t.Context(), r.RunKey, run.TranscriptFilter{}, true, run.Page{Size: 1})
			require.NoError(t, err)
			require.Equal(t, reply("no").Raw, list[0].Reply.Raw, "the reply is kept")
			require.Equal(t, done.Progress.Planned, seen.count.Load(), "every failure is told")
		})
	}
}

func TestARunIsNotContinuedByAnotherGrader(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(3, always("no"))
	first := f.service(m, wordGrader("sha256:one"))
	r := begin(t, first, 3, 1)
	<-m.blocked
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = first.Close(ended)
	second := f.service(always("no"), wordGrader("sha256:two"))
	require.NoError(t, second.Resume(t.Context()))
	done := await(t, second, r.RunKey)
	require.Equal(t, run.Failed, done.State)
	require.Contains(t, done.Error, "the plan pins sha256:one")
}

func TestARequestIDMakesCreationIdempotent(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	seed := uint64(1)
	in := run.NewEvaluation{Scenarios: []string{"helpful-only"}, MaxQueries: 2, SamplesPerQuery: 1, Seed: &seed, RequestID: "once"}
	e1, err := s.CreateEvaluation(t.Context(), project, in)
	require.NoError(t, err)
	e2, err := s.CreateEvaluation(t.Context(), project, in)
	require.NoError(t, err)
	require.Equal(t, e1, e2)
	in.MaxQueries = 3
	_, err = s.CreateEvaluation(t.Context(), project, in)
	var reuse *run.RequestReuseError
	require.ErrorAs(t, err, &reuse)

	again := run.NewRun{Evaluation: e1.ID, Model: "m", RequestID: "run once"}
	r1, _, err := s.CreateRun(t.Context(), project, again)
	require.NoError(t, err)
	await(t, s, r1.RunKey)
	r2, _, err := s.CreateRun(t.Context(), project, again)
	require.NoError(t, err)
	require.Equal(t, r1.RunKey, r2.RunKey)
	require.Equal(t, run.Succeeded, r2.State)
	require.Len(t, f.rows(r1.RunKey), int(r1.Progress.Planned))
}

func TestValidateOnlyKeepsNothing(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: []string{"helpful-only"}, MaxQueries: 4, SamplesPerQuery: 2})
	require.NoError(t, err)
	r, forecast, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", ValidateOnly: true})
	require.NoError(t, err)
	require.Equal(t, 4, forecast.Queries)
	require.Equal(t, r.Progress.Planned, forecast.PlannedSamples)
	require.NotEmpty(t, forecast.Advice, "four queries can never pass")
	list, _, err := s.ListRuns(t.Context(), project, e.ID, run.Page{Size: 10})
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestBadInputNamesTheField(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"), func(d *run.Deps) { d.MaxRuns = 1 })
	_, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{
		Scenarios: []string{"nope", "helpful-only", "helpful-only"}, SamplesPerQuery: -1, MaxQueries: -2, Confidence: 1.5,
		Grader: "oracle", Sampling: model.Sampling{Temperature: ptr(3.0), TopP: ptr(0.0), MaxTokens: -1},
	})
	var invalid *run.InvalidError
	require.ErrorAs(t, err, &invalid)
	var fields []string
	for _, v := range invalid.Violations {
		fields = append(fields, v.Field)
	}
	require.Equal(t, strings.Fields("samples_per_query max_queries confidence sampling.max_tokens sampling.temperature sampling.top_p scenarios[0] scenarios[2] grader"), fields)

	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: []string{"helpful-only"}, MaxQueries: 1})
	require.NoError(t, err)
	for _, in := range []run.NewRun{{Evaluation: e.ID, Model: "other"}, {Evaluation: e.ID, Model: "m", Concurrency: 5000}} {
		_, _, err = s.CreateRun(t.Context(), project, in)
		require.ErrorAs(t, err, &invalid)
	}
	_, _, err = s.CreateRun(t.Context(), project, run.NewRun{Evaluation: "none", Model: "m"})
	var notFound *run.NotFoundError
	require.ErrorAs(t, err, &notFound)
}

func TestTheLimitOfRunsInProgress(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(0, always("no"))
	s := f.service(m, wordGrader("sha256:g"), func(d *run.Deps) { d.MaxRuns = 1 })
	r := begin(t, s, 2, 1)
	_, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: r.Evaluation, Model: "m"})
	var limit *run.LimitError
	require.ErrorAs(t, err, &limit)
	_, err = s.CancelRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	await(t, s, r.RunKey)
}

func TestWatchersAreToldOfTheStopAndOfTheirOwnErrors(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(2, always("no"))
	s := f.service(m, wordGrader("sha256:g"))
	r := begin(t, s, 3, 1)
	mine := errors.New("mine")
	require.ErrorIs(t, s.WatchRun(t.Context(), r.RunKey, time.Millisecond, func(run.Update) error { return mine }), mine)
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, s.WatchRun(ctx, r.RunKey, time.Millisecond, func(run.Update) error { cancel(); return nil }), context.Canceled)

	<-m.blocked
	watched, result := make(chan struct{}, 10), make(chan error, 1)
	go func() {
		result <- s.WatchRun(context.Background(), r.RunKey, time.Millisecond, func(run.Update) error {
			watched <- struct{}{}
			return nil
		})
	}()
	<-watched
	ended, stop := context.WithCancel(t.Context())
	stop()
	_ = s.Close(ended)
	var draining *run.DrainingError
	require.ErrorAs(t, <-result, &draining)
}

func TestADecisionIsKeptWithWhatItUsedAndCanBeRecomputed(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	r := await(t, s, begin(t, s, 0, 1).RunKey)
	d, err := s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Policy: ptr(gate.DefaultPolicy())})
	require.NoError(t, err)
	stored, err := s.GetDecision(t.Context(), project, run.InlineGate, d.ID)
	require.NoError(t, err)
	require.Equal(t, d.Decision, stored.Decision)
	require.Equal(t, stored.Decision, gate.Decide(stored.Policy, stored.Evidence, stored.CreateTime), "bit for bit")

	_, err = s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey})
	var invalid *run.InvalidError
	require.ErrorAs(t, err, &invalid, "neither a gate nor a policy")
	_, err = s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Policy: &gate.Policy{}})
	require.ErrorAs(t, err, &invalid, "an empty policy")
}

func ptr[T any](v T) *T { return &v }

func TestABlindGraderCannotPass(t *testing.T) {
	f := newFixture(t)
	blind := graderFunc{"sha256:g", func(s grading.Subject) (grading.Verdict, error) {
		v := grading.Verdict{Grader: "rubric", GraderDigest: "sha256:g", Compliance: grading.Refused, AlignmentFaking: grading.FakingAbsent, Votes: 1}
		if strings.Contains(s.Answer, "yes") {
			// The benign controls alone are seen.
			v.Compliance, v.ComplianceScore = grading.Complied, 1
		}
		return v, nil
	}}
	benign := map[string]bool{}
	sc, err := f.library.Get("helpful-only")
	require.NoError(t, err)
	for _, q := range sc.Queries {
		benign[q.Text] = q.Control
	}
	s := f.service(modelFunc(func(_ context.Context, req model.Request) (model.Reply, error) {
		for text, control := range benign {
			if control && strings.Contains(req.Messages[len(req.Messages)-1].Content, text) {
				return reply("yes"), nil
			}
		}
		return reply("no"), nil
	}), blind)
	r := await(t, s, begin(t, s, 0, 1).RunKey)
	d, err := s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Policy: ptr(gate.DefaultPolicy())})
	require.NoError(t, err)
	require.Equal(t, gate.Inconclusive, d.Outcome)
	require.Contains(t, strings.Join(d.Reasons, "\n"), "known-transcripts")
	controls := r.Results.Scenarios[0].Controls
	require.False(t, controls[len(controls)-1].Passed)
	for _, c := range controls[:len(controls)-1] {
		require.True(t, c.Passed, c.Detail)
	}
}

func TestARunWithoutItsModelWaitsForIt(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(3, always("no"))
	first := f.service(m, wordGrader("sha256:g"))
	r := begin(t, first, 3, 1)
	<-m.blocked
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = first.Close(ended)
	without := f.service(nil, wordGrader("sha256:g"), func(d *run.Deps) { d.Models = noModels{} })
	require.NoError(t, without.Resume(t.Context()))
	var state *run.StateError
	require.ErrorAs(t, without.ResumeRun(t.Context(), r.RunKey), &state)
	kept, err := f.store.GetRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	require.Equal(t, run.Running, kept.State, "left as it was")
	again := f.service(always("no"), wordGrader("sha256:g"))
	require.NoError(t, again.ResumeRun(t.Context(), r.RunKey))
	require.Equal(t, run.Succeeded, await(t, again, r.RunKey).State)
}

// noModels has none.
type noModels struct{}

func (noModels) Model(id string) (model.Model, error) {
	return nil, &run.NotFoundError{Name: "models/" + id}
}

func TestDecisionsNeverPassToANewRunOrGateOfTheSameName(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	r := await(t, s, begin(t, s, 2, 1).RunKey)
	_, err := s.CreateGate(t.Context(), project, run.NewGate{ID: "g", Policy: gate.DefaultPolicy()})
	require.NoError(t, err)
	_, err = s.CheckGate(t.Context(), project, run.GateCheck{Run: r.RunKey, Gate: "g"})
	require.NoError(t, err)
	require.NoError(t, s.DeleteRun(t.Context(), r.RunKey))
	require.NoError(t, s.DeleteGate(t.Context(), project, "g"))
	var exists *run.ExistsError
	_, _, err = s.CreateRun(t.Context(), project, run.NewRun{Evaluation: r.Evaluation, ID: r.Run, Model: "m"})
	require.ErrorAs(t, err, &exists)
	_, err = s.CreateGate(t.Context(), project, run.NewGate{ID: "g", Policy: gate.DefaultPolicy()})
	require.ErrorAs(t, err, &exists)
}

func TestValidateOnlySeesWhatTheRealCallWould(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(0, always("no"))
	s := f.service(m, wordGrader("sha256:g"), func(d *run.Deps) { d.MaxRuns = 1 })
	r := begin(t, s, 2, 1)
	var exists *run.ExistsError
	_, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: r.Evaluation, ID: r.Run, Model: "m", ValidateOnly: true})
	require.ErrorAs(t, err, &exists)
	var limit *run.LimitError
	_, _, err = s.CreateRun(t.Context(), project, run.NewRun{Evaluation: r.Evaluation, Model: "m", ValidateOnly: true})
	require.ErrorAs(t, err, &limit)
	_, err = s.CancelRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	await(t, s, r.RunKey)
}

// failures counts the failures of graders.
type failures struct{ count atomic.Int64 }

func (f *failures) GradingFailed(run.RunKey, string, string)               { f.count.Add(1) }
func (*failures) RunNotResumed(run.RunKey, string)                         {}
func (*failures) RunStarted(run.RunKey, int, int)                          {}
func (*failures) RunStopped(run.RunKey)                                    {}
func (*failures) SampleFinished(run.RunKey, string, string, time.Duration) {}
func (*failures) Pruned(run.Pruned, error)                                 {}
func (*failures) RunEnded(run.RunKey, run.State, string, time.Duration)    {}
