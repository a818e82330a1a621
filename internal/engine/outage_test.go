package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// fast notices the dead soon.
var fast = engine.Config{Heartbeat: 50 * time.Millisecond, DeadAfter: 300 * time.Millisecond}

// Work that ends while the database is away would be at work for ever: River tries to
// write the end down three times, and the process that has it lives.
func TestWorkThatEndsWhileTheDatabaseIsAwayIsOver(t *testing.T) {
	server := postgres.Own(t)
	pool := connect(t, server.URL())
	w, release := newWorker(), make(chan struct{})
	w.onWork = func(context.Context, run.Shard) error { <-release; return nil }
	cfg := fast
	q := started(t, engine.NewPostgres(pool, cfg), w)
	require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 1), shard("r", 1, 2)))
	receive(t, w.shards)
	receive(t, w.shards)
	server.Kill(t, false)
	require.Eventually(t, func() bool { return pool.Ping(t.Context()) != nil }, patience, time.Millisecond)
	close(release)
	// Longer than River tries.
	<-time.NewTimer(9 * time.Second).C
	server.Start(t)
	settled(t, q, key("r"), false)
	require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 2, 3)))
	require.Equal(t, shard("r", 2, 3), receive(t, w.shards))
	settled(t, q, key("r"), false)
}

// What the database takes this process to work on, and it does not, is handed out
// again: the answer to its fetch was lost.
func TestWorkThatWasLostOnItsWayIsHandedOutAgain(t *testing.T) {
	pool := connect(t, postgres.Database(t))
	w, release := newWorker(), make(chan struct{})
	w.onWork = func(context.Context, run.Shard) error { <-release; return nil }
	q := started(t, engine.NewPostgres(pool, fast), w)
	require.NoError(t, q.EnqueueShards(t.Context(), shard("r", 0, 1)))
	require.Equal(t, shard("r", 0, 1), receive(t, w.shards))
	_, err := pool.Exec(t.Context(), `WITH mine AS (SELECT attempted_by, queue, kind FROM river_job WHERE state = 'running')
		INSERT INTO river_job (state, attempt, max_attempts, attempted_at, attempted_by, args, kind, queue)
		SELECT 'running', 1, 25, now() - interval '1 minute', attempted_by, '{"project":"p","evaluation":"e","run":"lost","from":5,"to":6,"slots":1}', kind, queue FROM mine`)
	require.NoError(t, err)
	lost := receive(t, w.shards)
	require.Equal(t, "lost", lost.Run)
	require.Equal(t, 5, lost.From)
	close(release)
	settled(t, q, key("r"), false)
	require.Empty(t, w.shards, "what is at work is not handed out again")
}

// A replica that others took for dead leaves their work alone when it comes back.
func TestAReplicaTakenForDeadLeavesTheWorkOfOthersAlone(t *testing.T) {
	pool := connect(t, postgres.Database(t))
	first, second := newWorker(), newWorker()
	var returned atomic.Bool
	late, release := make(chan struct{}), make(chan struct{})
	first.onWork = func(ctx context.Context, _ run.Shard) error {
		<-late
		returned.Store(true)
		return run.ErrHandBack
	}
	second.onWork = func(context.Context, run.Shard) error { <-release; return nil }
	a := started(t, engine.NewPostgres(pool, fast), first)
	require.NoError(t, a.EnqueueShards(t.Context(), shard("r", 0, 1)))
	receive(t, first.shards)
	// Only its heartbeats are lost: as when others have judged by an old one.
	_, err := pool.Exec(t.Context(), `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON unmask_replica FOR EACH ROW EXECUTE FUNCTION refuse()`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var old bool
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT now() - max(seen) > interval '1 second' FROM unmask_replica").Scan(&old))
		return old
	}, patience, 10*time.Millisecond)
	_, err = pool.Exec(t.Context(), `DROP TRIGGER refuse ON unmask_replica; DELETE FROM unmask_replica;
		UPDATE river_job SET state = 'available', scheduled_at = now() WHERE state = 'running'`)
	require.NoError(t, err)
	started(t, engine.NewPostgres(pool, fast), second)
	taken := second
	select {
	case <-second.shards:
	case <-first.shards:
		// The first may be given it again itself, which shows nothing.
		taken = nil
	case <-time.After(patience):
		require.FailNow(t, "nobody took over")
	}
	close(late)
	require.Eventually(t, returned.Load, patience, time.Millisecond)
	if taken != nil {
		// For a while nobody is given it, for it is at work.
		select {
		case <-first.shards:
			require.FailNow(t, "the work of another was handed out again")
		case <-second.shards:
			require.FailNow(t, "the work of another was handed out again")
		case <-time.After(2 * time.Second):
		}
	}
	close(release)
	settled(t, a, key("r"), false)
}
