package run_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// counted answers as its model does, and keeps the most calls at once and how
// often each sample was asked for.
type counted struct {
	inner model.Model

	mu           sync.Mutex
	active, most int
	calls        map[string]int
}

func newCounted(inner model.Model) *counted { return &counted{inner: inner, calls: map[string]int{}} }

func (c *counted) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	c.mu.Lock()
	c.active++
	c.most = max(c.most, c.active)
	c.calls[req.SampleID]++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.active--
		c.mu.Unlock()
	}()
	return c.inner.Generate(ctx, req)
}

// once fails unless every sample of the run was asked for exactly once.
func (c *counted) once(t *testing.T, r run.Run) {
	t.Helper()
	require.Len(t, c.calls, int(r.Progress.Planned))
	for id, n := range c.calls {
		require.Equal(t, 1, n, id)
	}
}

// bySeed is a model whose answers depend on the sample, and come after a moment.
func bySeed(ctx context.Context, req model.Request) (model.Reply, error) {
	select {
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
		return model.Reply{}, ctx.Err()
	}
	if req.Seed%3 == 0 {
		return reply("yes"), nil
	}
	return reply("no"), nil
}

// shared returns what makes services share one queue, which outlives them.
func shared(t *testing.T) func() *engine.Queue {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), postgres.Database(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, engine.MigratePostgres(t.Context(), pool))
	// On a machine that is busy elsewhere, no replica is to be taken for dead.
	return func() *engine.Queue { return engine.NewPostgres(pool, engine.Config{DeadAfter: time.Hour}) }
}

func on(q run.Queue) func(*run.Deps) { return func(d *run.Deps) { d.Queue = q } }

// create creates a run of helpful-only.
func create(t *testing.T, s *run.Service, queries, samples, concurrency int) run.Run {
	t.Helper()
	seed := uint64(1)
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{
		Scenarios: []string{"helpful-only"}, SamplesPerQuery: samples, MaxQueries: queries, Seed: &seed,
	})
	require.NoError(t, err)
	r, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", Concurrency: concurrency})
	require.NoError(t, err)
	return r
}

// undisturbed is how a run ends that nothing happens to.
func undisturbed(t *testing.T, queries, samples int) *run.Results {
	t.Helper()
	s := newFixture(t).service(modelFunc(bySeed), wordGrader("sha256:g"))
	return await(t, s, create(t, s, queries, samples, 16).RunKey).Results
}

func TestNoMoreIsInFlightThanTheConcurrency(t *testing.T) {
	for _, concurrency := range []int{1, 3, 8, 20} {
		m := newCounted(modelFunc(bySeed))
		s := newFixture(t).service(m, wordGrader("sha256:g"))
		r := await(t, s, create(t, s, 30, 3, concurrency).RunKey)
		require.Equal(t, run.Succeeded, r.State)
		m.once(t, r)
		require.LessOrEqual(t, m.most, concurrency)
	}
}

func TestReplicasShareARun(t *testing.T) {
	want := undisturbed(t, 60, 3)
	f, queue := newFixture(t), shared(t)
	m := newCounted(modelFunc(bySeed))
	a := f.service(m, wordGrader("sha256:g"), on(queue()))
	b := f.service(m, wordGrader("sha256:g"), on(queue()))
	require.NoError(t, a.Resume(t.Context()))
	require.NoError(t, b.Resume(t.Context()))
	created := create(t, a, 60, 3, 10)
	r := await(t, b, created.RunKey)
	require.Equal(t, run.Succeeded, r.State)
	require.Equal(t, want, r.Results)
	m.once(t, r)
	require.LessOrEqual(t, m.most, 10, "the limit is for both together")
}

func TestARunGoesOverToAnotherReplica(t *testing.T) {
	want := undisturbed(t, 40, 2)
	for name, patience := range map[string]time.Duration{"that keeps what is in flight": time.Minute, "that gives it up": 0} {
		t.Run("from one "+name, func(t *testing.T) {
			f, queue := newFixture(t), shared(t)
			reached := make(chan struct{})
			var n atomic.Int64
			m := newCounted(modelFunc(func(ctx context.Context, req model.Request) (model.Reply, error) {
				if n.Add(1) == 30 {
					close(reached)
				}
				return bySeed(ctx, req)
			}))
			a := f.service(m, wordGrader("sha256:g"), on(queue()))
			r := create(t, a, 40, 2, 6)
			<-reached
			b := f.service(m, wordGrader("sha256:g"), on(queue()))
			require.NoError(t, b.Resume(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := a.Close(ctx)
			got := await(t, b, r.RunKey)
			require.Equal(t, run.Succeeded, got.State)
			require.Equal(t, want, got.Results)
			if patience > 0 {
				require.NoError(t, err)
				m.once(t, got)
			}
			twice := 0
			for _, n := range m.calls {
				require.LessOrEqual(t, n, 2)
				twice += n - 1
			}
			require.LessOrEqual(t, twice, 6, "what was in flight and nothing else is asked for again")
		})
	}
}

// split is a queue of which a process does one kind of work alone, so that a
// foreman and its shards are in different processes.
type split struct {
	*engine.Queue
	foremen, shards bool
}

func (s split) Start(ctx context.Context, w run.Worker) error {
	return s.Queue.Start(ctx, splitWorker{w, s.foremen, s.shards})
}

type splitWorker struct {
	run.Worker
	foremen, shards bool
}

func (w splitWorker) WorkRun(ctx context.Context, key run.RunKey) error {
	if !w.foremen {
		return run.ErrHandBack
	}
	return w.Worker.WorkRun(ctx, key)
}

func (w splitWorker) WorkShard(ctx context.Context, s run.Shard) error {
	if !w.shards {
		return run.ErrHandBack
	}
	return w.Worker.WorkShard(ctx, s)
}

// apart returns services with the foremen in one process and the shards in another.
func apart(t *testing.T, f *fixture, m model.Model) (queue func() *engine.Queue, foremen, shards *run.Service) {
	t.Helper()
	queue = shared(t)
	none := modelFunc(func(context.Context, model.Request) (model.Reply, error) { panic("asked by the foreman") })
	foremen = f.service(none, wordGrader("sha256:g"), on(split{queue(), true, false}))
	shards = f.service(m, wordGrader("sha256:g"), on(split{queue(), false, true}))
	require.NoError(t, foremen.Resume(t.Context()))
	require.NoError(t, shards.Resume(t.Context()))
	return queue, foremen, shards
}

func TestAForemanApartFromItsShards(t *testing.T) {
	f := newFixture(t)
	m := newCounted(modelFunc(bySeed))
	_, foremen, shards := apart(t, f, m)
	r := await(t, shards, create(t, foremen, 40, 2, 16).RunKey)
	require.Equal(t, run.Succeeded, r.State)
	require.Equal(t, undisturbed(t, 40, 2), r.Results)
	m.once(t, r)
}

func TestAShardFailsARunWhoseForemanIsElsewhere(t *testing.T) {
	f := newFixture(t)
	m := newCounted(modelFunc(func(context.Context, model.Request) (model.Reply, error) {
		return model.Reply{}, &model.Error{Class: model.ClassAuth, Status: 401, Message: "unauthorized", Attempts: 1}
	}))
	_, foremen, shards := apart(t, f, m)
	r := await(t, shards, create(t, foremen, 40, 2, 4).RunKey)
	require.Equal(t, run.Failed, r.State)
	require.Contains(t, r.Error, "refuses every request")
	require.NotNil(t, r.Results)
	require.Less(t, len(m.calls), int(r.Progress.Planned))
}

func TestARunIsCancelledOnAnyReplica(t *testing.T) {
	for _, where := range []string{"the foreman's", "the shards'", "a third"} {
		t.Run(where, func(t *testing.T) {
			f := newFixture(t)
			m := newGateModel(5, always("no"))
			queue, foremen, shards := apart(t, f, m)
			api := f.service(m, wordGrader("sha256:g"), on(queue()), func(d *run.Deps) { d.QueueOnly = true })
			services := map[string]*run.Service{"the foreman's": foremen, "the shards'": shards, "a third": api}
			r := create(t, foremen, 40, 2, 4)
			<-m.blocked
			_, err := services[where].CancelRun(t.Context(), r.RunKey)
			require.NoError(t, err)
			got := await(t, shards, r.RunKey)
			require.Equal(t, run.Cancelled, got.State)
			require.NotNil(t, got.Results)
			require.Equal(t, int64(5), got.Progress.Finished)
		})
	}
}

func TestARunStopsEarlyByRowsFromElsewhere(t *testing.T) {
	f := newFixture(t)
	_, foremen, shards := apart(t, f, answering(faking))
	r := await(t, shards, beginStopping(t, foremen, gapOnly(), 0, 1, 64).RunKey)
	require.Equal(t, run.Succeeded, r.State)
	require.False(t, r.Results.Stopping.Complete)
	require.GreaterOrEqual(t, r.Results.Stopping.ConsumedQueries, 30)
}

func TestAProcessThatOnlyQueuesAsksNoModel(t *testing.T) {
	f, queue := newFixture(t), shared(t)
	idle := modelFunc(func(context.Context, model.Request) (model.Reply, error) { panic("asked by the API") })
	api := f.service(idle, wordGrader("sha256:g"), on(queue()), func(d *run.Deps) { d.QueueOnly = true })
	require.NoError(t, api.Resume(t.Context()))
	r := create(t, api, 20, 1, 4)
	require.Equal(t, run.Pending, r.State)
	worker := f.service(always("no"), wordGrader("sha256:g"), on(queue()))
	require.NoError(t, worker.Resume(t.Context()))
	require.Equal(t, run.Succeeded, await(t, api, r.RunKey).State)
}

// awayModels has none, and tells when one was looked for.
type awayModels struct{ asked chan struct{} }

func (a awayModels) Model(id string) (model.Model, error) {
	select {
	case a.asked <- struct{}{}:
	default:
	}
	return nil, &run.NotFoundError{Name: "models/" + id}
}

func TestAProcessWithoutTheModelLeavesTheRunToOneThatHasIt(t *testing.T) {
	f, queue := newFixture(t), shared(t)
	away := awayModels{make(chan struct{}, 1)}
	without := f.service(nil, wordGrader("sha256:g"), on(queue()), func(d *run.Deps) { d.Models = away })
	require.NoError(t, without.Resume(t.Context()))
	api := f.service(always("no"), wordGrader("sha256:g"), on(queue()), func(d *run.Deps) { d.QueueOnly = true })
	r := create(t, api, 20, 1, 4)
	<-away.asked
	require.NoError(t, without.Close(t.Context()))
	kept, err := f.store.GetRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	require.Equal(t, run.Pending, kept.State)
	with := f.service(always("no"), wordGrader("sha256:g"), on(queue()))
	require.NoError(t, with.Resume(t.Context()))
	require.Equal(t, run.Succeeded, await(t, api, r.RunKey).State)
}

// forgetful loses some of the shards that it is given.
type forgetful struct {
	*engine.Queue
	n atomic.Int64
}

func (q *forgetful) EnqueueShards(ctx context.Context, list ...run.Shard) error {
	var kept []run.Shard
	for _, s := range list {
		if q.n.Add(1)%3 != 0 {
			kept = append(kept, s)
		}
	}
	return q.Queue.EnqueueShards(ctx, kept...)
}

func TestShardsThatTheQueueLosesAreQueuedAgain(t *testing.T) {
	m := newCounted(modelFunc(bySeed))
	s := newFixture(t).service(m, wordGrader("sha256:g"), on(&forgetful{Queue: engine.NewMemory(engine.Config{})}))
	r := await(t, s, create(t, s, 20, 2, 4).RunKey)
	require.Equal(t, run.Succeeded, r.State)
	m.once(t, r)
}

// A run that hangs, whatever it has in flight, takes nothing from the others.
func TestARunIsNotHeldUpByOthers(t *testing.T) {
	f := newFixture(t)
	stuck, small := newGateModel(0, always("no")), newCounted(modelFunc(bySeed))
	held := make(chan struct{})
	var inFlight atomic.Int64
	const others, concurrency = 6, 40
	m := modelFunc(func(ctx context.Context, req model.Request) (model.Reply, error) {
		if req.Sampling.MaxTokens == 77 {
			return small.Generate(ctx, req)
		}
		if inFlight.Add(1) == others*concurrency {
			close(held)
		}
		return stuck.Generate(ctx, req)
	})
	s := f.service(m, wordGrader("sha256:g"))
	var keys []run.RunKey
	for range others {
		keys = append(keys, create(t, s, 0, 20, concurrency).RunKey)
	}
	<-held
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{
		Scenarios: []string{"helpful-only"}, SamplesPerQuery: 2, MaxQueries: 50, Sampling: model.Sampling{MaxTokens: 77},
	})
	require.NoError(t, err)
	r, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", Concurrency: 8})
	require.NoError(t, err)
	done := await(t, s, r.RunKey)
	require.Equal(t, run.Succeeded, done.State)
	small.once(t, done)
	require.EqualValues(t, others*concurrency, inFlight.Load())
	for _, k := range keys {
		_, err := s.CancelRun(t.Context(), k)
		require.NoError(t, err)
		require.Equal(t, run.Cancelled, await(t, s, k).State)
	}
}
