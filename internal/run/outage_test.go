package run_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

// awayStore cannot be written to while it is away.
type awayStore struct {
	run.Store
	away atomic.Bool
	// met is told of a call that was refused.
	met chan struct{}
	err error
}

func (s *awayStore) SaveFinished(ctx context.Context, key run.RunKey, batch []run.Finished) (int, error) {
	if s.away.Load() {
		select {
		case s.met <- struct{}{}:
		default:
		}
		return 0, s.err
	}
	return s.Store.SaveFinished(ctx, key, batch)
}

// While the database is away the replies in flight are held, nothing further is asked,
// and the run goes on when it is back: every sample is asked for once.
func TestRepliesAreHeldWhileTheDatabaseIsAway(t *testing.T) {
	f := newFixture(t)
	store := &awayStore{Store: f.store, met: make(chan struct{}, 1), err: &run.UnavailableError{Err: errors.New("refused")}}
	var after atomic.Int64
	m := newCounted(modelFunc(func(ctx context.Context, req model.Request) (model.Reply, error) {
		if store.away.Load() {
			after.Add(1)
		} else if req.Seed%7 == 0 {
			store.away.CompareAndSwap(false, after.Load() == 0)
		}
		return bySeed(ctx, req)
	}))
	s := f.service(m, wordGrader("sha256:g"), func(d *run.Deps) { d.Store = store })
	r := create(t, s, 30, 3, 8)
	for range 5 {
		<-store.met
	}
	require.LessOrEqual(t, after.Load(), int64(8), "more was asked than there are slots")
	got, err := s.GetRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	require.Equal(t, run.Running, got.State)
	after.Add(1)
	store.away.Store(false)
	r = await(t, s, r.RunKey)
	require.Equal(t, run.Succeeded, r.State)
	require.Equal(t, undisturbed(t, 30, 3), r.Results)
	m.once(t, r)
}

// A process that has to end gives up what it cannot keep; the run is there to be
// continued.
func TestAProcessEndsWhileTheDatabaseIsAway(t *testing.T) {
	f := newFixture(t)
	store := &awayStore{Store: f.store, met: make(chan struct{}, 1), err: &run.UnavailableError{Err: errors.New("refused")}}
	store.away.Store(true)
	m := newCounted(modelFunc(bySeed))
	s := f.service(m, wordGrader("sha256:g"), func(d *run.Deps) { d.Store = store })
	r := create(t, s, 10, 1, 4)
	<-store.met
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Close(ctx), context.DeadlineExceeded)
	left, err := f.store.GetRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	require.False(t, left.State.Terminal())
	again := f.service(modelFunc(bySeed), wordGrader("sha256:g"))
	require.NoError(t, again.Resume(t.Context()))
	require.Equal(t, run.Succeeded, await(t, again, r.RunKey).State)
}
