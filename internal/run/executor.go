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
// in one attempt, whatever its run was told meanwhile.
const keepTimeout = 30 * time.Second

// reconcileInterval is how often runs are looked for that nobody carries out,
// because the queue lost their foreman or never got it.
const reconcileInterval = 15 * time.Second

// executor carries out what the queue gives to this process: foremen of runs and
// shards of their samples, which need not be in one process.
type executor struct {
	deps Deps
	feed *feed
	// base ends when in-flight samples are to be given up; draining is closed
	// when no further sample may be dispatched.
	base     context.Context
	giveUp   context.CancelFunc
	draining chan struct{}
	// outage stops what dispatches while the database is away.
	outage outage

	// opening is held while the queue is opened or closed.
	opening sync.Mutex
	opened  bool
	wg      sync.WaitGroup

	mu     sync.Mutex
	sites  map[RunKey]*site
	closed bool
}

func newExecutor(d Deps) *executor {
	base, giveUp := context.WithCancel(context.Background())
	return &executor{
		deps: d, feed: newFeed(), base: base, giveUp: giveUp,
		draining: make(chan struct{}), sites: map[RunKey]*site{},
	}
}

// open starts the queue once it is needed: commands that only read do without.
func (x *executor) open(ctx context.Context) error {
	x.opening.Lock()
	defer x.opening.Unlock()
	if x.isClosed() {
		return &DrainingError{}
	}
	if x.opened {
		return nil
	}
	var w Worker
	if !x.deps.QueueOnly {
		w = x
	}
	if err := x.deps.Queue.Start(ctx, w); err != nil {
		return err
	}
	x.opened = true
	return nil
}

func (x *executor) isClosed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.closed
}

// create keeps a new run and queues it, within the limit of runs in progress.
func (x *executor) create(ctx context.Context, r Run) (Run, error) {
	if x.isClosed() {
		return Run{}, &DrainingError{}
	}
	kept, err := x.deps.Store.CreateRunWithin(ctx, r, x.room)
	if err != nil {
		return Run{}, err
	}
	// A repeated request returns the run of the first; queueing a run that is
	// active already does nothing, and one that has ended is left alone.
	if !kept.State.Terminal() {
		if err := x.start(ctx, kept.RunKey); err != nil {
			return Run{}, err
		}
	}
	return kept, nil
}

// hasRoom returns the error that create would return as things stand.
func (x *executor) hasRoom(ctx context.Context) error {
	if x.isClosed() {
		return &DrainingError{}
	}
	unfinished, err := x.deps.Store.ListUnfinished(ctx)
	if err != nil {
		return fmt.Errorf("count the runs in progress: %w", err)
	}
	return x.room(unfinished)
}

// room returns an error when there are as many runs in progress as there may be,
// whoever carries them out. A run that waits for its model is not in progress.
func (x *executor) room(unfinished []Run) error {
	n := 0
	for _, r := range unfinished {
		if _, err := x.deps.Models.Model(r.Model); err == nil {
			n++
		}
	}
	if n >= x.deps.MaxRuns {
		return &LimitError{What: "runs in progress", Limit: x.deps.MaxRuns}
	}
	return nil
}

// start has a run carried out, unless it is already.
func (x *executor) start(ctx context.Context, key RunKey) error {
	if err := x.open(ctx); err != nil {
		return err
	}
	return x.deps.Queue.EnqueueRun(ctx, key)
}

// resume starts every unfinished run whose model is there. told is called with
// the others.
func (x *executor) resume(ctx context.Context, told func(Run)) error {
	runs, err := x.deps.Store.ListUnfinished(ctx)
	if err != nil {
		return fmt.Errorf("resume runs: %w", err)
	}
	for _, r := range runs {
		if _, err := x.deps.Models.Model(r.Model); err != nil {
			// The model may be configured again; until then the run is left as it is.
			told(r)
			continue
		}
		// The limit is for new work; what was accepted before is owed.
		if err := x.start(ctx, r.RunKey); err != nil {
			return fmt.Errorf("resume %s: %w", r.Name(), err)
		}
	}
	return nil
}

// reconcile resumes again and again until the executor closes.
func (x *executor) reconcile() {
	x.wg.Go(func() {
		tick := time.NewTicker(reconcileInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-x.draining:
				return
			}
			// What fails now is tried again at the next tick.
			_ = x.resume(x.base, func(Run) {})
		}
	})
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
	stopped := make(chan error, 1)
	go func() {
		x.wg.Wait()
		x.opening.Lock()
		defer x.opening.Unlock()
		if !x.opened {
			stopped <- nil
			return
		}
		stopped <- x.deps.Queue.Stop(context.WithoutCancel(ctx))
	}()
	defer x.giveUp()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		x.giveUp()
		return errors.Join(<-stopped, fmt.Errorf("drain runs: samples in flight were given up and will be asked for again: %w", ctx.Err()))
	}
}

// cancel asks a run to stop, whoever carries it out.
func (x *executor) cancel(ctx context.Context, key RunKey) (Run, error) {
	if err := x.toCancelling(ctx, key); err != nil {
		return Run{}, fmt.Errorf("cancel %s: %w", key.Name(), err)
	}
	if s := x.siteOf(key); s != nil {
		s.cancel(errCancelled)
	} else if err := x.endForeman(ctx, key); err != nil {
		return Run{}, err
	}
	x.feed.touch(key)
	r, err := x.deps.Store.GetRun(ctx, key)
	if err != nil {
		return Run{}, err
	}
	if r.State.Terminal() && r.State != Cancelled {
		return Run{}, &StateError{Name: key.Name(), State: string(r.State), Want: "PENDING or RUNNING"}
	}
	return r, nil
}

// toCancelling moves a run to CANCELLING, unless it is there or has ended.
func (x *executor) toCancelling(ctx context.Context, key RunKey) error {
	for {
		r, err := x.deps.Store.GetRun(ctx, key)
		if err != nil || (r.State != Pending && r.State != Running) {
			return err
		}
		from := r.State
		r.State = Cancelling
		var se *StateError
		// It may have started or ended in between.
		if err := x.deps.Store.UpdateRun(ctx, r, from); !errors.As(err, &se) {
			return err
		}
	}
}

// endForeman sees to the end of a run that is being cancelled and of which this
// process does nothing: its foreman elsewhere looks at the state by itself, a
// foreman is made where there are shards alone, and where there is nothing the run
// ends here.
func (x *executor) endForeman(ctx context.Context, key RunKey) error {
	r, err := x.deps.Store.GetRun(ctx, key)
	if err != nil || r.State.Terminal() {
		return err
	}
	if err := x.open(ctx); err != nil {
		return err
	}
	active, err := x.deps.Queue.Active(ctx, key)
	switch {
	case err != nil:
		return err
	case active.Foreman:
		return nil
	case len(active.Shards) > 0:
		return x.deps.Queue.EnqueueRun(ctx, key)
	default:
		return x.end(ctx, key, Cancelled, "", nil)
	}
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
	var away *UnavailableError
	switch {
	case errors.As(err, &away), err != nil && ctx.Err() != nil:
		return err
	case err != nil:
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
