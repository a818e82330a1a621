package engine_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// childOf is the environment variable that makes the test binary a worker on the
// database that it names.
const childOf = "ENGINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childOf); dsn != "" {
		child(dsn)
	}
	goleak.VerifyTestMain(postgres.Main(m))
}

// connect returns a pool on a database with the queue's tables.
func connect(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, engine.MigratePostgres(t.Context(), pool))
	return pool
}

// worker records what it is given and does what the test says.
type worker struct {
	runs   chan run.RunKey
	shards chan run.Shard
	onRun  func(context.Context, run.RunKey) error
	onWork func(context.Context, run.Shard) error
}

func newWorker() *worker {
	return &worker{runs: make(chan run.RunKey, 1000), shards: make(chan run.Shard, 1000)}
}

func (w *worker) WorkRun(ctx context.Context, key run.RunKey) error {
	w.runs <- key
	if w.onRun != nil {
		return w.onRun(ctx, key)
	}
	return nil
}

func (w *worker) WorkShard(ctx context.Context, s run.Shard) error {
	w.shards <- s
	if w.onWork != nil {
		return w.onWork(ctx, s)
	}
	return nil
}

// started starts a queue and stops it at the end of the test.
func started(t *testing.T, q *engine.Queue, w run.Worker) *engine.Queue {
	t.Helper()
	require.NoError(t, q.Start(t.Context(), w))
	t.Cleanup(func() { require.NoError(t, q.Stop(context.Background())) })
	return q
}

// onEach runs a test on a queue of each kind.
func onEach(t *testing.T, test func(t *testing.T, q *engine.Queue)) {
	t.Run("memory", func(t *testing.T) { test(t, engine.NewMemory(engine.Config{})) })
	t.Run("postgres", func(t *testing.T) { test(t, engine.NewPostgres(connect(t, postgres.Database(t)), engine.Config{})) })
}

// child works for ever on whatever it is given, after writing that down.
func child(dsn string) {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		panic(err)
	}
	w := newWorker()
	w.onWork = func(ctx context.Context, s run.Shard) error {
		_, err := pool.Exec(ctx, "INSERT INTO begun (first) VALUES ($1)", s.From)
		if err != nil {
			panic(err)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	if err := engine.NewPostgres(pool, engine.Config{Replica: os.Getenv(childOf + "_NAME")}).Start(ctx, w); err != nil {
		panic(err)
	}
	select {}
}
