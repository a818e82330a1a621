package run

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// How often a watcher looks at the store when nobody tells it of a change, as when
// another process carries the run out: soon after a change, and then less and less
// often. A look is one row by its key.
const (
	pollSoon = 250 * time.Millisecond
	pollMost = 2 * time.Second
)

// interimShare bounds the share of time that a watcher spends on computing
// interim results: they are computed again after 1/interimShare times what
// they took.
const interimShare = 0.1

// Update is what a watcher is sent. A watcher that is slow misses updates in
// between and always gets the last one.
type Update struct {
	Run Run
	// Interim are the results so far; nil when they would cost too much now,
	// and when Run.Results is set.
	Interim *Results
}

// WatchRun calls fn with the run as it is, and again whenever it changes but
// not more often than every interval, until the run has ended (nil), fn fails
// (its error), ctx ends, or the service closes (*DrainingError).
func (s *Service) WatchRun(ctx context.Context, key RunKey, interval time.Duration, fn func(Update) error) error {
	var last Progress
	var state State
	var nextInterim time.Time
	poll := pollSoon
	for first := true; ; first = false {
		news := s.exec.feed.next(key)
		r, err := s.deps.Store.GetRun(ctx, key)
		if err != nil {
			s.exec.feed.leave(key)
			return err
		}
		if first || r.Progress != last || r.State != state {
			last, state = r.Progress, r.State
			poll = pollSoon
			u := Update{Run: r}
			if began := s.deps.Now(); !r.State.Terminal() && !first && began.After(nextInterim) {
				u.Interim = s.interim(ctx, r)
				now := s.deps.Now()
				nextInterim = now.Add(time.Duration(float64(now.Sub(began)) / interimShare))
			}
			if err := fn(u); err != nil {
				s.exec.feed.leave(key)
				return err
			}
		}
		if r.State.Terminal() {
			s.exec.feed.leave(key)
			return nil
		}
		err = s.await(ctx, news, interval, poll)
		poll = min(2*poll, pollMost)
		s.exec.feed.leave(key)
		if err != nil {
			return fmt.Errorf("watch %s: %w", key.Name(), err)
		}
	}
}

// await waits for at least interval, and then for a change or as long as look. When the run is left
// by whoever carried it out, which is its end as a rule, it returns at once.
func (s *Service) await(ctx context.Context, n news, interval, look time.Duration) error {
	pause := time.NewTimer(interval)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-n.left:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.exec.draining:
		return &DrainingError{}
	}
	poll := time.NewTimer(look)
	defer poll.Stop()
	select {
	case <-n.changed:
		return nil
	case <-poll.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.exec.draining:
		return &DrainingError{}
	}
}

// interim returns the results so far, or nil: they are a courtesy, and a
// watcher is better off without them than without its updates.
func (s *Service) interim(ctx context.Context, r Run) *Results {
	t, err := s.exec.tally(ctx, r)
	if err != nil {
		return nil
	}
	results, err := t.Results(false)
	if err != nil {
		return nil
	}
	return results
}

// feed wakes the watchers of a run. It holds a channel only for runs that are
// being watched.
type feed struct {
	mu    sync.Mutex
	waits map[RunKey]*wait
}

type wait struct {
	changed, left chan struct{}
	watchers      int
}

// news are closed at the next change of a run, and when nobody carries it out
// any more.
type news struct{ changed, left <-chan struct{} }

func newFeed() *feed { return &feed{waits: map[RunKey]*wait{}} }

// next returns what tells of the next change. Each call is paired with one of
// leave.
func (f *feed) next(key RunKey) news {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.waits[key]
	if w == nil {
		w = &wait{changed: make(chan struct{}), left: make(chan struct{})}
		f.waits[key] = w
	}
	w.watchers++
	return news{w.changed, w.left}
}

func (f *feed) leave(key RunKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.waits[key]
	if w == nil {
		return
	}
	if w.watchers--; w.watchers == 0 {
		delete(f.waits, key)
	}
}

func (f *feed) touch(key RunKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.waits[key]; w != nil {
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// left tells of a run that nobody carries out any more.
func (f *feed) left(key RunKey) {
	f.touch(key)
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.waits[key]; w != nil {
		close(w.left)
		w.left = make(chan struct{})
	}
}
