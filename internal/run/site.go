package run

import (
	"context"
	"errors"
	"sync"
	"time"
)

// stateInterval is how often a process looks whether a run that it works on was
// cancelled or failed elsewhere. Here it is told at once.
const stateInterval = 500 * time.Millisecond

// errCancelled is why the samples of a cancelled run are given up.
var errCancelled = errors.New("the run is being cancelled")

// failedError is why the samples of a run are given up that cannot go on.
type failedError struct{ reason string }

func (e *failedError) Error() string { return e.reason }

// site is what this process knows of a run while it works on it, as its foreman,
// on its shards or both.
type site struct {
	x   *executor
	key RunKey
	// ctx ends with a cause when the samples in flight are to be given up: the run
	// is cancelled or failed, or the process is out of time.
	ctx    context.Context
	cancel context.CancelCauseFunc
	slots  *slots
	// watched is closed when nobody looks at the run's state any more.
	watched chan struct{}
	// users is guarded by the executor.
	users int

	mu       sync.Mutex
	pipeline *pipeline
	foreman  *foreman
	working  map[[2]int]bool
}

// enter returns what this process knows of a run. Each call is paired with leave.
func (x *executor) enter(key RunKey) *site {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.sites[key]
	if s == nil {
		s = &site{
			x: x, key: key, watched: make(chan struct{}), working: map[[2]int]bool{},
			slots: newSlots(),
		}
		s.ctx, s.cancel = context.WithCancelCause(x.base)
		x.sites[key] = s
		go s.watch()
	}
	s.users++
	return s
}

func (x *executor) leave(s *site) {
	x.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		delete(x.sites, s.key)
	}
	x.mu.Unlock()
	if last {
		s.cancel(nil)
		<-s.watched
	}
}

// siteOf returns what this process knows of a run, or nil.
func (x *executor) siteOf(key RunKey) *site {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sites[key]
}

// watch gives the samples up when the run was stopped by somebody elsewhere.
func (s *site) watch() {
	defer close(s.watched)
	tick := time.NewTicker(stateInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		if r, err := s.x.deps.Store.GetRun(s.ctx, s.key); err == nil || isNotFound(err) {
			_ = s.look(r, err)
		}
	}
}

// look gives the samples up if the run as it is needs none, and returns why.
func (s *site) look(r Run, err error) error {
	switch {
	case isNotFound(err), r.State.Terminal(), r.State == Cancelling:
		s.cancel(errCancelled)
	case r.Error != "":
		s.cancel(&failedError{r.Error})
	default:
		return nil
	}
	return context.Cause(s.ctx)
}

// stopped returns why the samples of this run are given up for good, or nil.
func (s *site) stopped() error {
	if s.ctx.Err() == nil || s.x.base.Err() != nil {
		return nil //nolint:nilerr // out of time is not for good
	}
	return context.Cause(s.ctx)
}

// fail ends a run that is pointless to go on with, wherever its foreman is: the
// reason is kept in the run, and this process gives its samples up at once.
func (s *site) fail(cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), keepTimeout)
	defer cancel()
	defer s.cancel(&failedError{cause.Error()})
	r, err := s.x.deps.Store.GetRun(ctx, s.key)
	if err != nil || r.State != Running || r.Error != "" {
		return
	}
	r.Error = cause.Error()
	// If it was cancelled in between, that counts; if it cannot be kept, the samples
	// stay without rows, and the next who tries them meets the same.
	_ = s.x.deps.Store.UpdateRun(ctx, r, Running)
}

// prepare returns what the samples of the run go through; it is made once.
func (s *site) prepare(ctx context.Context, r Run) (*pipeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pipeline == nil {
		p, err := s.x.prepare(ctx, r)
		if err != nil {
			return nil, err
		}
		p.site, s.pipeline = s, p
	}
	return s.pipeline, nil
}

// begin and finish frame the work on a shard. finish tells the foreman, if it is
// here, of one that is done.
func (s *site) begin(sh Shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working[[2]int{sh.From, sh.To}] = true
	if s.foreman != nil {
		s.foreman.ring()
	}
}

func (s *site) finish(sh Shard, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.working, [2]int{sh.From, sh.To})
	if s.foreman != nil && done {
		s.foreman.ended(sh)
	}
}

func (s *site) worksOn(from, to int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.working[[2]int{from, to}]
}

// appoint makes f the foreman here, unless there is one.
func (s *site) appoint(f *foreman) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreman != nil {
		return false
	}
	s.foreman = f
	return true
}

func (s *site) dismiss() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreman = nil
}
