package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// keepTimeout bounds how long a reply that was paid for may take to be kept
// after its run was told to stop.
const keepTimeout = 30 * time.Second

// executor carries out runs in this process. Every run has one goroutine that
// dispatches samples in plan order and as many workers as its concurrency.
type executor struct {
	deps Deps
	feed *feed
	// base ends when in-flight samples are to be given up; draining is closed
	// when no further sample may be dispatched.
	base     context.Context
	giveUp   context.CancelFunc
	draining chan struct{}

	mu       sync.Mutex
	active   map[RunKey]*job
	reserved int
	closed   bool
	wg       sync.WaitGroup
}

// job is a run that this process carries out.
type job struct{ cancel context.CancelFunc }

func newExecutor(d Deps) *executor {
	base, giveUp := context.WithCancel(context.Background())
	return &executor{
		deps: d, feed: newFeed(), base: base, giveUp: giveUp,
		draining: make(chan struct{}), active: map[RunKey]*job{},
	}
}

// create keeps a new run and starts it, within the limit of runs in progress.
func (x *executor) create(ctx context.Context, r Run) (Run, error) {
	x.mu.Lock()
	switch {
	case x.closed:
		x.mu.Unlock()
		return Run{}, &DrainingError{}
	case len(x.active)+x.reserved >= x.deps.MaxRuns:
		x.mu.Unlock()
		return Run{}, &LimitError{What: "runs in progress", Limit: x.deps.MaxRuns}
	}
	x.reserved++
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		x.reserved--
		x.mu.Unlock()
	}()
	kept, err := x.deps.Store.CreateRun(ctx, r)
	if err != nil {
		return Run{}, err
	}
	// A repeated request returns the run of the first; starting a run that is
	// active already does nothing, and one that has ended is left alone.
	if !kept.State.Terminal() {
		x.start(kept)
	}
	return kept, nil
}

// hasRoom returns the error that create would return for the state of this process.
func (x *executor) hasRoom() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.closed:
		return &DrainingError{}
	case len(x.active)+x.reserved >= x.deps.MaxRuns:
		return &LimitError{What: "runs in progress", Limit: x.deps.MaxRuns}
	default:
		return nil
	}
}

// start carries a run out in the background, unless it is active already.
func (x *executor) start(r Run) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, busy := x.active[r.RunKey]; busy || x.closed {
		return
	}
	ctx, cancel := context.WithCancel(x.base)
	x.active[r.RunKey] = &job{cancel: cancel}
	x.wg.Add(1)
	go func() {
		defer x.wg.Done()
		defer x.feed.left(r.RunKey)
		defer func() {
			x.mu.Lock()
			delete(x.active, r.RunKey)
			x.mu.Unlock()
			cancel()
		}()
		x.carryOut(ctx, r)
	}()
}

// close stops dispatching, waits for samples in flight until ctx ends, and
// gives up what is left then.
func (x *executor) close(ctx context.Context) error {
	x.mu.Lock()
	if !x.closed {
		x.closed = true
		close(x.draining)
	}
	x.mu.Unlock()
	done := make(chan struct{})
	go func() { x.wg.Wait(); close(done) }()
	defer x.giveUp()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		x.giveUp()
		<-done
		return fmt.Errorf("drain runs: samples in flight were given up and will be asked for again: %w", ctx.Err())
	}
}

// cancel asks a run to stop, whoever carries it out.
func (x *executor) cancel(ctx context.Context, key RunKey) (Run, error) {
	r, err := x.deps.Store.GetRun(ctx, key)
	if err != nil {
		return Run{}, err
	}
	if r.State == Pending || r.State == Running {
		r.State = Cancelling
		err = x.deps.Store.UpdateRun(ctx, r, Pending, Running)
		var se *StateError
		if err != nil && !errors.As(err, &se) {
			return Run{}, fmt.Errorf("cancel %s: %w", key.Name(), err)
		}
	}
	x.mu.Lock()
	j := x.active[key]
	x.mu.Unlock()
	if j != nil {
		j.cancel()
	} else if err := x.end(ctx, key, Cancelled, "", nil); err != nil {
		return Run{}, err
	}
	x.feed.touch(key)
	r, err = x.deps.Store.GetRun(ctx, key)
	if err != nil {
		return Run{}, err
	}
	if r.State.Terminal() && r.State != Cancelled {
		return Run{}, &StateError{Name: key.Name(), State: string(r.State), Want: "PENDING or RUNNING"}
	}
	return r, nil
}

// schedule lays out an evaluation from the snapshots of its scenarios.
func (x *executor) schedule(ctx context.Context, e Evaluation) (*Schedule, error) {
	scenarios := make([]*scenario.Scenario, len(e.Plan.Scenarios))
	for i, ref := range e.Plan.Scenarios {
		sc, err := x.deps.Store.GetScenario(ctx, e.Project, ref)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", ref.ID, err)
		}
		scenarios[i] = sc
	}
	return NewSchedule(e.Plan, scenarios)
}

// carryOut runs what is left of a run and brings it to its end, unless the
// process is stopping: then the run stays as it is and is resumed later.
func (x *executor) carryOut(ctx context.Context, r Run) {
	started := x.deps.Now()
	x.deps.Observer.RunStarted(r.RunKey, int(r.Progress.Planned), int(r.Progress.Finished))
	state, reason := Succeeded, ""
	if r.State == Cancelling {
		state = Cancelled
	} else if err := x.samples(ctx, r); err != nil {
		var stopped *stoppedError
		switch {
		case errors.As(err, &stopped) && stopped.draining:
			x.deps.Observer.RunStopped(r.RunKey)
			return
		case ctx.Err() != nil:
			state = Cancelled
		default:
			state, reason = Failed, err.Error()
		}
	}
	graders := x.checkGraders(ctx, r)
	if x.base.Err() != nil {
		x.deps.Observer.RunStopped(r.RunKey)
		return
	}
	if ctx.Err() != nil {
		state, reason, graders = Cancelled, "", nil
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	if err := x.end(end, r.RunKey, state, reason, graders); err != nil {
		// The run keeps its state in the store and is taken up at the next start.
		reason = "end the run: " + err.Error()
		state = Failed
	}
	x.deps.Observer.RunEnded(r.RunKey, state, reason, x.deps.Now().Sub(started))
}

// end computes the results from the rows and moves a run to a terminal state.
// graders are the controls of what graded it; with nil they are made here.
func (x *executor) end(ctx context.Context, key RunKey, to State, reason string, graders []gate.Control) error {
	r, err := x.deps.Store.GetRun(ctx, key)
	if err != nil {
		return err
	}
	if r.State.Terminal() {
		return nil
	}
	if r.State == Cancelling {
		to, reason = Cancelled, ""
	}
	results, err := x.results(ctx, r, graders)
	if err != nil {
		// Without results a run cannot be a success; the reason says why.
		to, reason = Failed, "compute results: "+err.Error()
	}
	from := r.State
	r.State, r.Error, r.Results, r.EndTime = to, reason, results, x.deps.Now()
	err = x.deps.Store.UpdateRun(ctx, r, from)
	var se *StateError
	if errors.As(err, &se) && from != Cancelling {
		// Cancelled in between: once more, from CANCELLING.
		return x.end(ctx, key, to, reason, graders)
	}
	return err
}

func (x *executor) results(ctx context.Context, r Run, graders []gate.Control) (*Results, error) {
	t, err := x.tally(ctx, r)
	if err != nil {
		return nil, err
	}
	if t.graders = graders; graders == nil {
		// The run was told to stop: a local grader can still be checked, and a judge
		// must not keep the run from ending.
		check, cancel := context.WithTimeout(ctx, gradeGrace)
		defer cancel()
		t.checkGraders(check, x.deps.Graders, nil)
	}
	if t.calibration, err = x.calibration(ctx, r, t.plan, t.scenarios); err != nil {
		return nil, err
	}
	return t.Results(true)
}
