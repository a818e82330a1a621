package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river"

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
	return f.queue.work(ctx, func(ctx context.Context) error { return f.do.WorkRun(ctx, run.RunKey(j.Args)) })
}

// shards hands shards to a worker.
type shards struct {
	river.WorkerDefaults[shardArgs]
	queue *Queue
	do    run.Worker
}

// Work implements river.Worker.
func (s *shards) Work(ctx context.Context, j *river.Job[shardArgs]) error {
	return s.queue.work(ctx, func(ctx context.Context) error { return s.do.WorkShard(ctx, j.Args.shard()) })
}

// work ends do's context with the lease of this process, and translates its error.
func (q *Queue) work(ctx context.Context, do func(context.Context) error) error {
	lease := q.lease.context()
	if lease.Err() != nil {
		// Fetched without a heartbeat: this process may be taken for dead any moment.
		return river.JobSnooze(retryPause)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(lease, cancel)()
	switch err := do(ctx); {
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
