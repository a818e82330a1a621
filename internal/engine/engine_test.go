package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// patience bounds what is only waited for when something is broken.
const patience = 30 * time.Second

func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
	}
	return v
}

func key(id string) run.RunKey { return run.RunKey{Project: "p", Evaluation: "e", Run: id} }

func shard(id string, from, to int) run.Shard {
	return run.Shard{RunKey: key(id), From: from, To: to, Slots: 3}
}

// settled waits until the queue knows exactly these shards of a run.
func settled(t *testing.T, q *engine.Queue, k run.RunKey, foreman bool, want ...run.Shard) {
	t.Helper()
	var got run.Active
	require.Eventually(t, func() bool {
		var err error
		got, err = q.Active(t.Context(), k)
		require.NoError(t, err)
		slices.SortFunc(got.Shards, func(a, b run.Shard) int { return a.From - b.From })
		return got.Foreman == foreman && slices.Equal(got.Shards, want)
	}, patience, 5*time.Millisecond, "want %v %v", foreman, want)
}

func TestWorkIsHandedOut(t *testing.T) {
	onEach(t, func(t *testing.T, q *engine.Queue) {
		w := newWorker()
		started(t, q, w)
		for _, k := range []run.RunKey{key("r"), {Project: `q"'; --`, Evaluation: "é\\n", Run: "日本 {}"}, {Project: "p", Evaluation: "e", Run: "100"}} {
			require.NoError(t, q.EnqueueRun(t.Context(), k))
			require.Equal(t, k, receive(t, w.runs))
			s := run.Shard{RunKey: k, From: 1_999_000, To: 2_000_000, Slots: 1024}
			require.NoError(t, q.EnqueueShards(t.Context(), s))
			require.Equal(t, s, receive(t, w.shards))
			settled(t, q, k, false)
		}
		require.NoError(t, q.EnqueueShards(t.Context()))
	})
}

func TestWorkIsQueuedOnce(t *testing.T) {
	onEach(t, func(t *testing.T, q *engine.Queue) {
		w, release := newWorker(), make(chan struct{})
		letGo := sync.OnceFunc(func() { close(release) })
		defer letGo()
		w.onRun = func(context.Context, run.RunKey) error { <-release; return nil }
		w.onWork = func(context.Context, run.Shard) error { <-release; return nil }
		started(t, q, w)
		other := shard("r", 0, 20)
		other.Slots = 9
		for range 3 {
			require.NoError(t, q.EnqueueRun(t.Context(), key("r")))
			require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 20), other, shard("r", 20, 40)))
		}
		settled(t, q, key("r"), true, shard("r", 0, 20), shard("r", 20, 40))
		require.NoError(t, q.EnqueueRun(t.Context(), key("s")))
		settled(t, q, key("s"), true)
		letGo()
		settled(t, q, key("r"), false)
		settled(t, q, key("s"), false)
		require.Len(t, w.runs, 2)
		require.Len(t, w.shards, 2)
		require.NoError(t, q.EnqueueRun(t.Context(), key("r")))
		require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 20)))
		settled(t, q, key("r"), false)
		require.Len(t, w.runs, 3, "what ended may be queued again")
		require.Len(t, w.shards, 3)
	})
}

func TestWorkHandedBackIsHandedOutAgain(t *testing.T) {
	onEach(t, func(t *testing.T, q *engine.Queue) {
		w := newWorker()
		var backs, faults, panics atomic.Int64
		w.onWork = func(context.Context, run.Shard) error {
			switch {
			case backs.Add(1) <= 2:
				return fmt.Errorf("wrapped: %w", run.ErrHandBack)
			case faults.Add(1) <= 1:
				return errors.New("the database is away")
			case panics.Add(1) <= 1:
				panic("broken")
			default:
				return nil
			}
		}
		started(t, q, w)
		require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 1)))
		for range 5 {
			require.Equal(t, shard("r", 0, 1), receive(t, w.shards))
		}
		settled(t, q, key("r"), false)
		require.Empty(t, w.shards)
	})
}

func TestStopWaitsForWhatIsUnderWay(t *testing.T) {
	onEach(t, func(t *testing.T, q *engine.Queue) {
		w, release := newWorker(), make(chan struct{})
		var done atomic.Bool
		w.onRun = func(context.Context, run.RunKey) error { <-release; done.Store(true); return nil }
		require.NoError(t, q.Start(t.Context(), w))
		require.NoError(t, q.EnqueueRun(t.Context(), key("r")))
		receive(t, w.runs)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, q.Stop(over), context.Canceled)
		require.False(t, done.Load())
		close(release)
		require.NoError(t, q.Stop(context.Background()))
		require.True(t, done.Load())
		require.NoError(t, q.Stop(context.Background()), "stopping again does nothing")
		require.Error(t, q.Start(t.Context(), w))
	})
}

func TestAQueueThatWasNotStarted(t *testing.T) {
	q := engine.NewMemory(engine.Config{})
	require.ErrorContains(t, q.EnqueueRun(t.Context(), key("r")), "not started")
	require.NoError(t, q.Stop(t.Context()))
}

func TestQueuedShardsAreDropped(t *testing.T) {
	onEach(t, func(t *testing.T, q *engine.Queue) {
		started(t, q, nil)
		require.NoError(t, q.EnqueueRun(t.Context(), key("r")))
		require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 1), shard("r", 1, 2), shard("s", 0, 1)))
		settled(t, q, key("r"), true, shard("r", 0, 1), shard("r", 1, 2))
		require.NoError(t, q.Drop(t.Context(), key("r")))
		settled(t, q, key("r"), true)
		settled(t, q, key("s"), false, shard("s", 0, 1))
	})
}

func TestShardsAtWorkAreNotDropped(t *testing.T) {
	onEach(t, func(t *testing.T, q *engine.Queue) {
		w, release := newWorker(), make(chan struct{})
		w.onWork = func(context.Context, run.Shard) error { <-release; return nil }
		started(t, q, w)
		defer close(release)
		require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 1)))
		receive(t, w.shards)
		require.NoError(t, q.Drop(t.Context(), key("r")))
		settled(t, q, key("r"), false, shard("r", 0, 1))
	})
}

func TestADatabaseThatWasNotMigratedIsRefused(t *testing.T) {
	dsn := postgres.Database(t)
	pool := connect(t, dsn)
	_, err := pool.Exec(t.Context(), "DELETE FROM river_migration WHERE version = (SELECT max(version) FROM river_migration)")
	require.NoError(t, err)
	q := engine.NewPostgres(pool, engine.Config{})
	require.ErrorContains(t, q.Start(t.Context(), nil), "migrate the database")
}

func TestAProcessThatOnlyQueues(t *testing.T) {
	pool := connect(t, postgres.Database(t))
	api := started(t, engine.NewPostgres(pool, engine.Config{}), nil)
	require.NoError(t, api.EnqueueRun(t.Context(), key("r")))
	w := newWorker()
	started(t, engine.NewPostgres(pool, engine.Config{}), w)
	require.Equal(t, key("r"), receive(t, w.runs))
	require.NoError(t, api.EnqueueShards(t.Context(), shard("r", 0, 1)))
	require.Equal(t, shard("r", 0, 1), receive(t, w.shards))
	settled(t, api, key("r"), false)
}

func TestWorkGoesOverToAnotherReplicaWhenOneStops(t *testing.T) {
	pool := connect(t, postgres.Database(t))
	first, stopping := newWorker(), make(chan struct{})
	first.onWork = func(context.Context, run.Shard) error { <-stopping; return run.ErrHandBack }
	a := engine.NewPostgres(pool, engine.Config{})
	require.NoError(t, a.Start(t.Context(), first))
	require.NoError(t, a.EnqueueShards(t.Context(), shard("r", 0, 1)))
	receive(t, first.shards)
	second := newWorker()
	started(t, engine.NewPostgres(pool, engine.Config{}), second)
	stopped := make(chan error)
	go func() { stopped <- a.Stop(context.Background()) }()
	close(stopping)
	require.NoError(t, <-stopped)
	// The first may have been given it again before it had stopped fetching.
	require.Equal(t, shard("r", 0, 1), receive(t, second.shards))
}

// dies starts a process that works on a shard, and kills it.
func dies(t *testing.T, dsn, name string, q *engine.Queue) {
	t.Helper()
	pool := connect(t, dsn)
	_, err := pool.Exec(t.Context(), "CREATE TABLE begun (first int)")
	require.NoError(t, err)
	require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 7, 9)))
	victim := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test
	victim.Env = append(os.Environ(), childOf+"="+dsn, childOf+"_NAME="+name)
	victim.Stderr = os.Stderr
	require.NoError(t, victim.Start())
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM begun WHERE first = 7").Scan(&n))
		return n == 1
	}, patience, 10*time.Millisecond)
	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait()
}

func TestAnotherReplicaTakesOverFromADeadOne(t *testing.T) {
	dsn := postgres.Database(t)
	pool := connect(t, dsn)
	dies(t, dsn, "", started(t, engine.NewPostgres(pool, engine.Config{}), nil))
	w := newWorker()
	started(t, engine.NewPostgres(pool, engine.Config{Heartbeat: 100 * time.Millisecond, DeadAfter: time.Second}), w)
	began := time.Now()
	require.Equal(t, shard("r", 7, 9), receive(t, w.shards))
	t.Logf("taken over after %v at a limit of 1 s", time.Since(began).Round(time.Millisecond))
}

func TestARestartedReplicaTakesOverAtOnce(t *testing.T) {
	dsn := postgres.Database(t)
	pool := connect(t, dsn)
	dies(t, dsn, "replica-1", started(t, engine.NewPostgres(pool, engine.Config{}), nil))
	// An hour after which a replica is dead shows that nobody waited for it.
	slow := engine.Config{DeadAfter: time.Hour}
	stranger := newWorker()
	slow.Replica = "replica-2"
	started(t, engine.NewPostgres(pool, slow), stranger)
	again := newWorker()
	slow.Replica = "replica-1"
	began := time.Now()
	started(t, engine.NewPostgres(pool, slow), again)
	select {
	case <-again.shards:
	case <-stranger.shards:
	case <-time.After(patience):
		require.FailNow(t, "nobody took over")
	}
	t.Logf("taken over after %v", time.Since(began).Round(time.Millisecond))
}

func TestAReplicaThatCannotBeHeardGivesItsWorkUp(t *testing.T) {
	pool := connect(t, postgres.Database(t))
	w, gaveUp := newWorker(), make(chan struct{})
	var heard atomic.Bool
	w.onWork = func(ctx context.Context, _ run.Shard) error {
		if heard.Load() {
			return nil
		}
		<-ctx.Done()
		heard.Store(true)
		close(gaveUp)
		return run.ErrHandBack
	}
	q := started(t, engine.NewPostgres(pool, engine.Config{Heartbeat: 50 * time.Millisecond, DeadAfter: 300 * time.Millisecond}), w)
	require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 1)))
	receive(t, w.shards)
	_, err := pool.Exec(t.Context(), "ALTER TABLE unmask_replica RENAME TO away")
	require.NoError(t, err)
	receive(t, gaveUp)
	_, err = pool.Exec(t.Context(), "ALTER TABLE away RENAME TO unmask_replica")
	require.NoError(t, err)
	receive(t, w.shards)
	settled(t, q, key("r"), false)
}
