package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/unmask-eval/unmask/internal/run"
)

// foremanArgs are those of the job that carries out a run. All of them make it
// unique.
type foremanArgs struct {
	Project    string `json:"project"`
	Evaluation string `json:"evaluation"`
	Run        string `json:"run"`
}

// Kind implements river.JobArgs.
func (foremanArgs) Kind() string { return "unmask_run" }

// shardArgs are those of the job that works on a shard. A range is queued once,
// whatever its slots.
type shardArgs struct {
	Project    string `json:"project" river:"unique"`
	Evaluation string `json:"evaluation" river:"unique"`
	Run        string `json:"run" river:"unique"`
	From       int    `json:"from" river:"unique"`
	To         int    `json:"to" river:"unique"`
	Slots      int    `json:"slots"`
}

// Kind implements river.JobArgs.
func (shardArgs) Kind() string { return "unmask_shard" }

func (a shardArgs) shard() run.Shard {
	return run.Shard{
		RunKey: run.RunKey{Project: a.Project, Evaluation: a.Evaluation, Run: a.Run},
		From:   a.From, To: a.To, Slots: a.Slots,
	}
}

func parseShard(args []byte) (run.Shard, error) {
	var a shardArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return run.Shard{}, fmt.Errorf("read a job's arguments: %w", err)
	}
	return a.shard(), nil
}

// foremen hands the foremen of runs to a worker.
type foremen struct {
	river.WorkerDefaults[foremanArgs]
	queue *Queue
	do    run.Worker
}

// Work implements river.Worker.
func (f *foremen) Work(ctx context.Context, j *river.Job[foremanArgs]) error {
	return f.queue.work(ctx, j.JobRow, func(ctx context.Context) error { return f.do.WorkRun(ctx, run.RunKey(j.Args)) })
}

// shards hands shards to a worker.
type shards struct {
	river.WorkerDefaults[shardArgs]
	queue *Queue
	do    run.Worker
}

// Work implements river.Worker.
func (s *shards) Work(ctx context.Context, j *river.Job[shardArgs]) error {
	return s.queue.work(ctx, j.JobRow, func(ctx context.Context) error { return s.do.WorkShard(ctx, j.Args.shard()) })
}

// work ends do's context with the lease of this process, and translates its error.
func (q *Queue) work(ctx context.Context, j *rivertype.JobRow, do func(context.Context) error) error {
	q.working.begin(j.ID)
	defer func() { q.working.end(j.ID, time.Now()) }()
	lease := q.lease.context()
	if lease.Err() != nil {
		// Fetched without a heartbeat: this process may be taken for dead any moment.
		q.settle(ctx, j)
		return river.JobSnooze(retryPause)
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(lease, cancel)()
	err := do(work)
	if q.away.Load() || lease.Err() != nil {
		q.settle(ctx, j)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, run.ErrHandBack):
		return river.JobSnooze(0)
	default:
		// As an error River would keep it in the job with all before it.
		q.cfg.Log.WarnContext(ctx, "work is tried again", slog.String("error", err.Error()))
		return river.JobSnooze(retryPause)
	}
}

// settlePause is how often settle looks, and settleTimeout bounds a look.
const (
	settlePause   = 500 * time.Millisecond
	settleTimeout = 2 * time.Second
)

// settle returns when River may write down how a job ended: the database is there,
// for River tries three times only, and the job is this process's own, or nobody's
// any more, for River would change it under the hands of whoever has been given it
// since. A process that stops looks once.
func (q *Queue) settle(ctx context.Context, j *rivertype.JobRow) {
	if !q.be.shared() {
		return
	}
	look := func() bool {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		if n, err := q.be.exec(ctx, ours, j.ID, q.id, j.Attempt); err != nil || n > 0 {
			return err == nil
		}
		n, err := q.be.exec(ctx, running, j.ID)
		return err == nil && n == 0
	}
	tick := time.NewTicker(settlePause)
	defer tick.Stop()
	for !look() {
		select {
		case <-tick.C:
		case <-q.halting:
			return
		}
	}
}
