package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/run"
)

// childOf is the environment variable that makes the test binary a worker on the
// database that it names.
const childOf = "ENGINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childOf); dsn != "" {
		child(dsn)
	}
	code := m.Run()
	server.stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// cluster is a PostgreSQL server of this test process on a socket in a directory
// of its own.
type cluster struct {
	once    sync.Once
	dir     string
	process *exec.Cmd
	missing string
	err     error
	number  int
}

var server cluster

// database returns the address of an empty database, or skips the test where
// there is no PostgreSQL.
func database(t *testing.T) string {
	t.Helper()
	server.once.Do(func() { server.err = server.start() })
	if server.missing != "" {
		t.Skip("missing: " + server.missing)
	}
	require.NoError(t, server.err)
	server.number++
	name := fmt.Sprintf("test_%d", server.number)
	admin, err := pgxpool.New(t.Context(), server.dsn("postgres"))
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	return server.dsn(name)
}

func (c *cluster) dsn(name string) string {
	return fmt.Sprintf("host=%s user=unmask dbname=%s pool_max_conns=8", c.dir, name)
}

func (c *cluster) start() error {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		c.missing = "a PostgreSQL server (Debian: postgresql)"
		return err
	}
	bin := found[len(found)-1]
	if c.dir, err = os.MkdirTemp("", "unmask-pg-"); err != nil {
		return err
	}
	as, err := unprivileged(c.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(c.dir, "data")
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...) //nolint:gosec,noctx // outlives a test
		cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: as}, c.dir
		return cmd
	}
	if out, err := command("initdb", "--no-sync", "--auth=trust", "--username=unmask", "--pgdata="+data).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	c.process = command("postgres", "-D", data, "-k", c.dir, "-F", "-c", "listen_addresses=", "-c", "max_connections=60")
	if err := c.process.Start(); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Minute)
	for {
		pool, err := pgxpool.New(context.Background(), c.dsn("postgres"))
		if err == nil {
			err = pool.Ping(context.Background())
			pool.Close()
		}
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// unprivileged returns whom the server runs as, and gives that user the
// directory: initdb refuses root.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // as whoever runs the tests
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr, os.Chown(dir, int(uid), int(gid))); err != nil { //nolint:gosec // 32 bits
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (c *cluster) stop() {
	if c.process != nil && c.process.Process != nil {
		_ = c.process.Process.Signal(syscall.SIGINT)
		_ = c.process.Wait()
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
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
	t.Run("postgres", func(t *testing.T) { test(t, engine.NewPostgres(connect(t, database(t)), engine.Config{})) })
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
