// Package engine is the queue of runs (run.Queue) on River: in memory for one
// process, and on PostgreSQL for many.
//
// Jobs hold names and numbers only, and no transaction is open while one is
// worked on. River gives a dead worker's jobs back by elapsed time alone, so on
// PostgreSQL replicas keep a heartbeat, and whoever is alive frees the jobs of
// those that are not.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/unmask-eval/unmask/internal/run"
)

// The queues are apart, so that shards never wait for a foreman's place.
const (
	foremenQueue = "unmask_runs"
	shardsQueue  = "unmask_shards"
)

// maxWorkers is River's own limit. A worker that waits is only a goroutine, and
// what limits the work is the window of each run, so nothing queues for a place.
const maxWorkers = river.QueueNumWorkersMax

// never is later than any job ends.
const never = 100 * 365 * 24 * time.Hour

// retryPause is how long work waits that ended in an error: a fault of the
// database, or a model that this process does not have. What a model does wrong is
// a row or ends the run.
const retryPause = time.Second

// Config says how a queue works. Zero fields take their defaults.
type Config struct {
	// Log is told what goes wrong; nothing when nil. It never sees a job's
	// arguments.
	Log *slog.Logger
	// Replica is the lasting name of this process among those that share the
	// database, or "". At start it frees the jobs of its predecessor at once, so
	// two live processes must not have one name. At most 63 letters, digits, '.',
	// '_' or '-'.
	Replica string
	// Heartbeat is how often a replica says that it lives; default 3 s.
	Heartbeat time.Duration
	// DeadAfter is the age of a heartbeat at which a replica counts as dead and its
	// jobs are freed; default 15 s, at least three heartbeats.
	DeadAfter time.Duration
}

func (c Config) complete() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 3 * time.Second
	}
	if c.DeadAfter == 0 {
		c.DeadAfter = 15 * time.Second
	}
	c.DeadAfter = max(c.DeadAfter, 3*c.Heartbeat)
	return c
}

// Queue implements run.Queue.
type Queue struct {
	cfg Config
	// id is this process in River: unlike the replica's name, no other ever has it.
	id string
	be backend
	// lease ends when others may have been given this process's jobs.
	lease lease
	// working are the jobs of this process.
	working *atWork
	// away says that the last heartbeat failed.
	away atomic.Bool
	// judgeFrom is when this process may take others for dead; the heartbeat has it.
	judgeFrom time.Time
	// halting is closed when Stop begins.
	halting chan struct{}

	mu      sync.Mutex
	client  client
	beats   *heartbeat
	started bool
	stopped bool
	stop    sync.Once
	stopErr error
	ended   chan struct{}
}

var _ run.Queue = (*Queue)(nil)

// client is what is used of a river.Client, whatever its driver.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	InsertMany(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
}

// backend is what differs between databases.
type backend interface {
	// open makes the database ready.
	open(ctx context.Context) error
	newClient(c *river.Config) (client, error)
	// exec returns how many rows a statement changed, or a query found.
	exec(ctx context.Context, query string, args ...any) (int64, error)
	// jobs returns the kind and the arguments of each row of a query.
	jobs(ctx context.Context, query string, args ...any) ([]job, error)
	statements() statements
	// pollInterval is how often River looks for jobs that nobody told it of.
	pollInterval() time.Duration
	// shared says that other processes use the database too.
	shared() bool
	close() error
}

// job is a row of River's table.
type job struct {
	kind string
	args []byte
}

func newQueue(c Config, be backend) *Queue {
	q := &Queue{cfg: c.complete(), be: be, working: newAtWork(), halting: make(chan struct{}), ended: make(chan struct{})}
	q.id = uuid.NewString()
	if q.cfg.Replica != "" {
		q.id = q.cfg.Replica + "/" + q.id
	}
	q.lease.renew()
	return q
}

// Start implements run.Queue.
func (q *Queue) Start(ctx context.Context, w run.Worker) (err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started || q.stopped {
		return errors.New("start the queue: it was started or stopped before")
	}
	if err := q.be.open(ctx); err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, q.be.close())
		}
	}()
	cfg := &river.Config{
		ID: q.id, Logger: q.cfg.Log, JobTimeout: -1, MaxAttempts: math.MaxInt16, RetryPolicy: retries{},
		FetchCooldown: 2 * time.Millisecond, FetchPollInterval: q.be.pollInterval(),
		// By elapsed time, a foreman of a long run would be taken for dead.
		RescueStuckJobsAfter:        never,
		CompletedJobRetentionPeriod: time.Minute, CancelledJobRetentionPeriod: time.Minute,
		DiscardedJobRetentionPeriod: 24 * time.Hour,
	}
	if w != nil {
		cfg.Workers = river.NewWorkers()
		river.AddWorker(cfg.Workers, &foremen{queue: q, do: w})
		river.AddWorker(cfg.Workers, &shards{queue: q, do: w})
		cfg.Queues = map[string]river.QueueConfig{
			foremenQueue: {MaxWorkers: maxWorkers}, shardsQueue: {MaxWorkers: maxWorkers},
		}
	}
	if q.client, err = q.be.newClient(cfg); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	if w != nil {
		if q.be.shared() {
			if q.beats, err = q.startHeartbeat(ctx); err != nil {
				return fmt.Errorf("start the queue: %w", err)
			}
		}
		// The client lives on when ctx ends.
		if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
			if q.beats != nil {
				q.beats.end(ctx)
			}
			return fmt.Errorf("start the queue: %w", err)
		}
	}
	q.started = true
	return nil
}

// Stop implements run.Queue.
func (q *Queue) Stop(ctx context.Context) error {
	q.mu.Lock()
	started := q.started
	q.stopped = true
	q.mu.Unlock()
	if !started {
		return nil
	}
	q.stop.Do(func() {
		close(q.halting)
		go func() {
			defer close(q.ended)
			// Without workers a client was never started, and stopping it does nothing.
			end := context.WithoutCancel(ctx)
			err := q.client.Stop(end)
			if q.beats != nil {
				q.beats.end(end)
			}
			q.stopErr = errors.Join(err, q.be.close())
		}()
	})
	select {
	case <-q.ended:
		return q.stopErr
	case <-ctx.Done():
		return fmt.Errorf("stop the queue: %w", ctx.Err())
	}
}

// live states are those in which a job is queued or at work.
var live = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

func (q *Queue) insert(ctx context.Context, what string, params ...river.InsertManyParams) error {
	q.mu.Lock()
	ready := q.started
	q.mu.Unlock()
	if !ready {
		return errors.New(what + ": the queue was not started")
	}
	if _, err := q.client.InsertMany(ctx, params); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// EnqueueRun implements run.Queue.
func (q *Queue) EnqueueRun(ctx context.Context, key run.RunKey) error {
	return q.insert(ctx, "queue "+key.Name(), river.InsertManyParams{
		Args: foremanArgs(key), InsertOpts: options(foremenQueue),
	})
}

// EnqueueShards implements run.Queue.
func (q *Queue) EnqueueShards(ctx context.Context, list ...run.Shard) error {
	if len(list) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, 0, len(list))
	ranges := map[shardArgs]bool{}
	for _, s := range list {
		args := shardArgs{Project: s.Project, Evaluation: s.Evaluation, Run: s.Run, From: s.From, To: s.To}
		// PostgreSQL refuses an insertion that conflicts with itself.
		if ranges[args] {
			continue
		}
		ranges[args] = true
		args.Slots = s.Slots
		params = append(params, river.InsertManyParams{Args: args, InsertOpts: options(shardsQueue)})
	}
	return q.insert(ctx, "queue shards of "+list[0].Name(), params...)
}

func options(queue string) *river.InsertOpts {
	return &river.InsertOpts{Queue: queue, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: live}}
}

// Active implements run.Queue.
func (q *Queue) Active(ctx context.Context, key run.RunKey) (run.Active, error) {
	var out run.Active
	rows, err := q.be.jobs(ctx, q.be.statements().active, key.Project, key.Evaluation, key.Run)
	if err != nil {
		return out, fmt.Errorf("look for the work of %s: %w", key.Name(), err)
	}
	for _, r := range rows {
		if r.kind == (foremanArgs{}).Kind() {
			out.Foreman = true
			continue
		}
		s, err := parseShard(r.args)
		if err != nil {
			return out, fmt.Errorf("look for the work of %s: %w", key.Name(), err)
		}
		out.Shards = append(out.Shards, s)
	}
	return out, nil
}

// Drop implements run.Queue.
func (q *Queue) Drop(ctx context.Context, key run.RunKey) error {
	if _, err := q.be.exec(ctx, q.be.statements().drop, key.Project, key.Evaluation, key.Run); err != nil {
		return fmt.Errorf("drop the shards of %s: %w", key.Name(), err)
	}
	return nil
}

// retries is River's retry policy.
type retries struct{}

// NextRetry implements river.ClientRetryPolicy.
func (retries) NextRetry(*rivertype.JobRow) time.Time { return time.Now().Add(retryPause) }
