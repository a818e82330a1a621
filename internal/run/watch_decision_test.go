package run_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

// decisions lists what was kept on a run.
func decisions(t *testing.T, s *run.Service, key run.RunKey) []run.Decision {
	t.Helper()
	list, _, err := s.ListDecisions(context.Background(), project, "*", &key, run.Page{Size: 10})
	require.NoError(t, err)
	return list
}

func byDefault(key run.RunKey) run.GateCheck {
	return run.GateCheck{Run: key, Policy: ptr(gate.DefaultPolicy())}
}

// TestADecisionIsWaitedFor holds a run half-way until its watcher has seen it so.
func TestADecisionIsWaitedFor(t *testing.T) {
	f := newFixture(t)
	seen := make(chan struct{})
	var calls atomic.Int64
	s := f.service(modelFunc(func(ctx context.Context, _ model.Request) (model.Reply, error) {
		if calls.Add(1) > 70 {
			select {
			case <-seen:
			case <-ctx.Done():
				return model.Reply{}, ctx.Err()
			}
		}
		return reply("no"), nil
	}), wordGrader("sha256:g"))
	r := begin(t, s, 0, 1)
	var updates []run.DecisionUpdate
	once := false
	require.NoError(t, s.WatchDecision(t.Context(), project, byDefault(r.RunKey), time.Millisecond, func(u run.DecisionUpdate) error {
		updates = append(updates, u)
		if len(u.Preliminary) > 0 && !once {
			once = true
			for _, rule := range u.Preliminary {
				require.Positive(t, rule.Excluded, "what is not finished counts as excluded")
			}
			require.Empty(t, decisions(t, s, r.RunKey), "nothing is decided while the run goes on")
			close(seen)
		}
		return nil
	}))
	for _, u := range updates[:len(updates)-1] {
		require.Nil(t, u.Decision)
		require.False(t, u.Run.State.Terminal())
		for _, rule := range u.Preliminary {
			require.Equal(t, gate.Inconclusive, rule.Outcome)
			require.Equal(t, gate.ReasonRunNotFinished, rule.Reason)
		}
	}
	last := updates[len(updates)-1]
	require.Nil(t, last.Preliminary)
	require.Equal(t, run.Succeeded, last.Run.State)
	kept := decisions(t, s, r.RunKey)
	require.Len(t, kept, 1)
	require.Equal(t, kept[0].ID, last.Decision.ID)
	require.Equal(t, kept[0].Decision, last.Decision.Decision)
}

func TestARunThatHasEndedIsDecidedAtOnce(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	r := await(t, s, begin(t, s, 3, 1).RunKey)
	_, err := s.CreateGate(t.Context(), project, run.NewGate{ID: "g", Policy: *gapPolicy(0.1)})
	require.NoError(t, err)
	var updates []run.DecisionUpdate
	require.NoError(t, s.WatchDecision(t.Context(), project, run.GateCheck{Run: r.RunKey, Gate: "g"}, time.Hour, func(u run.DecisionUpdate) error {
		updates = append(updates, u)
		return nil
	}))
	require.Len(t, updates, 1)
	require.Equal(t, gate.Inconclusive, updates[0].Decision.Outcome)
	require.Equal(t, "g", updates[0].Decision.Gate)
	require.Len(t, decisions(t, s, r.RunKey), 1)
}

func TestWaitingThatEndsEarlyDecidesNothing(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(2, always("no"))
	s := f.service(m, wordGrader("sha256:g"))
	r := begin(t, s, 3, 1)
	<-m.blocked
	wait := func(ctx context.Context, in run.GateCheck, fn func(run.DecisionUpdate) error) error {
		return s.WatchDecision(ctx, project, in, time.Millisecond, fn)
	}
	ignore := func(run.DecisionUpdate) error { return nil }

	mine := errors.New("mine")
	require.ErrorIs(t, wait(t.Context(), byDefault(r.RunKey), func(run.DecisionUpdate) error { return mine }), mine)
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, wait(ctx, byDefault(r.RunKey), func(run.DecisionUpdate) error { cancel(); return nil }), context.Canceled)
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, wait(ctx, byDefault(r.RunKey), ignore), context.DeadlineExceeded)

	var missing *run.NotFoundError
	require.ErrorAs(t, wait(t.Context(), run.GateCheck{Run: r.RunKey, Gate: "none"}, ignore), &missing, "before any waiting")
	require.ErrorAs(t, wait(t.Context(), byDefault(run.RunKey{Project: project, Evaluation: r.Evaluation, Run: "none"}), ignore), &missing)
	var invalid *run.InvalidError
	require.ErrorAs(t, wait(t.Context(), run.GateCheck{Run: r.RunKey, Policy: &gate.Policy{}}, ignore), &invalid)

	watched, result := make(chan struct{}, 10), make(chan error, 1)
	go func() {
		result <- wait(context.Background(), byDefault(r.RunKey), func(run.DecisionUpdate) error { watched <- struct{}{}; return nil })
	}()
	<-watched
	ended, stop := context.WithCancel(t.Context())
	stop()
	_ = s.Close(ended)
	var draining *run.DrainingError
	require.ErrorAs(t, <-result, &draining)
	require.Empty(t, decisions(t, s, r.RunKey))
}

// TestACallerThatLeavesAsTheRunEndsDecidesNothing goes away at the last moment.
func TestACallerThatLeavesAsTheRunEndsDecidesNothing(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	r := await(t, s, begin(t, s, 3, 1).RunKey)
	ctx, cancel := context.WithCancel(t.Context())
	d := &leaving{Store: f.store, leave: cancel}
	late := f.service(always("no"), wordGrader("sha256:g"), func(deps *run.Deps) { deps.Store = d })
	err := late.WatchDecision(ctx, project, byDefault(r.RunKey), time.Millisecond, func(run.DecisionUpdate) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, decisions(t, s, r.RunKey))
}

// leaving is a store whose caller goes away while it reads a run.
type leaving struct {
	run.Store
	leave context.CancelFunc
}

func (l *leaving) GetRun(ctx context.Context, key run.RunKey) (run.Run, error) {
	r, err := l.Store.GetRun(ctx, key)
	l.leave()
	return r, err
}

func TestARunThatIsDeletedMeanwhileIsNotFound(t *testing.T) {
	f := newFixture(t)
	m := newGateModel(2, always("no"))
	s := f.service(m, wordGrader("sha256:g"))
	r := begin(t, s, 3, 1)
	<-m.blocked
	err := s.WatchDecision(t.Context(), project, byDefault(r.RunKey), time.Millisecond, func(u run.DecisionUpdate) error {
		if _, err := s.CancelRun(t.Context(), r.RunKey); err != nil {
			return err
		}
		await(t, s, r.RunKey)
		return s.DeleteRun(t.Context(), r.RunKey)
	})
	var missing *run.NotFoundError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, r.Name(), missing.Name)
	require.Empty(t, decisions(t, s, r.RunKey))
}

func TestARepeatedRequestForADecisionReturnsTheFirstOne(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	r, other := await(t, s, begin(t, s, 3, 1).RunKey), begin(t, s, 3, 1)
	await(t, s, other.RunKey)
	in := byDefault(r.RunKey)
	in.RequestID = "ci-7"

	const callers = 8
	var wg sync.WaitGroup
	got := make([]run.Decision, callers)
	for i := range callers {
		wg.Go(func() {
			d, err := s.CheckGate(context.Background(), project, in)
			if assert.NoError(t, err) {
				got[i] = d
			}
		})
	}
	wg.Wait()
	for _, d := range got {
		require.Equal(t, got[0].ID, d.ID)
		require.Equal(t, got[0].Decision, d.Decision)
	}
	require.NoError(t, s.WatchDecision(t.Context(), project, in, time.Millisecond, func(u run.DecisionUpdate) error {
		if u.Decision != nil {
			require.Equal(t, got[0].ID, u.Decision.ID)
		}
		return nil
	}))
	require.Len(t, decisions(t, s, r.RunKey), 1)

	base := r.RunKey
	for name, change := range map[string]func(*run.GateCheck){
		"another run":      func(in *run.GateCheck) { in.Run = other.RunKey },
		"another policy":   func(in *run.GateCheck) { in.Policy = gapPolicy(0.1) },
		"another baseline": func(in *run.GateCheck) { in.Baseline = &base },
	} {
		t.Run(name, func(t *testing.T) {
			changed := in
			change(&changed)
			_, err := s.CheckGate(t.Context(), project, changed)
			var reuse *run.RequestReuseError
			require.ErrorAs(t, err, &reuse)
			require.Equal(t, "ci-7", reuse.RequestID)
		})
	}
	in.RequestID = "ci-8"
	again, err := s.CheckGate(t.Context(), project, in)
	require.NoError(t, err)
	require.NotEqual(t, got[0].ID, again.ID)
	require.Len(t, decisions(t, s, r.RunKey), 2)
}
