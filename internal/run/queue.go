package run

import (
	"context"
	"errors"
	"fmt"
)

// Shard is a part of a run that is worked on as one: a range of its schedule. A
// sample in it that has a row is left alone.
type Shard struct {
	RunKey
	// From and To bound the samples by Sample.Index: From is in, To is not.
	From, To int
	// Slots is how many samples of the run may be in flight on account of this
	// shard, at least 1. Those of a run's shards together are at most its
	// Concurrency.
	Slots int
}

// String names the shard.
func (s Shard) String() string { return fmt.Sprintf("samples %d to %d of %s", s.From, s.To, s.Name()) }

// Queue hands work to the processes that share it, one or many. It is no record:
// whatever it forgets is queued again from the rows of the Store.
//
// There are two kinds of work. A foreman carries out a run: it queues shards, a
// few at a time, and ends the run. What is queued is given to one Worker, and to
// another one if that process dies. Every method is safe for concurrent use; all
// but Stop need Start first.
type Queue interface {
	// Start opens the queue and gives work to w until Stop; with nil this process
	// only queues. ctx bounds the start. It is called once.
	Start(ctx context.Context, w Worker) error
	// EnqueueRun queues the foreman of a run, unless it is queued or at work.
	EnqueueRun(ctx context.Context, key RunKey) error
	// EnqueueShards queues shards; one whose range is queued or at work is left out.
	EnqueueShards(ctx context.Context, shards ...Shard) error
	// Active returns what is queued or at work of a run. What has just ended may
	// be listed a little longer.
	Active(ctx context.Context, key RunKey) (Active, error)
	// Drop takes back the shards of a run that nobody works on yet.
	Drop(ctx context.Context, key RunKey) error
	// Stop hands out no further work and waits for what is under way; what is
	// handed back is for other processes, or for later. Stopping again, or what
	// was never started, does nothing.
	Stop(ctx context.Context) error
}

// Active is what a Queue knows of a run.
type Active struct {
	// Foreman says that the run's foreman is queued or at work.
	Foreman bool
	// Shards are queued or at work, in no order.
	Shards []Shard
}

// Worker does what a Queue hands out. ctx ends when somebody else may be given
// the same work; then the worker gives up at once. A method that returns nil has
// finished; after ErrHandBack the work is handed out again at once, to a process
// that is not stopping, and after any other error a little later.
type Worker interface {
	WorkRun(ctx context.Context, key RunKey) error
	WorkShard(ctx context.Context, s Shard) error
}

// ErrHandBack is returned by a Worker that stops before its work is done.
var ErrHandBack = errors.New("handed back to the queue")
