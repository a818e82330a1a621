package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
)

// tries are the decisions on a checkpoint as one run sees them.
type tries struct {
	// earlier count as tries before the run: those on other runs that were taken
	// before the run itself was first looked at. What was tried after it does not
	// make its own decision worse when it is asked for again.
	earlier []gate.Earlier
	// seen is how many there are in all, and last when the last was taken.
	seen int
	last time.Time
}

// triesOf counts the decisions on a run's checkpoint. A decision that counts on
// them is kept by Store.SaveTry, and is later than last.
func (s *Service) triesOf(ctx context.Context, key RunKey, checkpoint string) (tries, error) {
	// First of all: what is kept in between is seen below, and counted.
	all, err := s.deps.Store.EarlierDecisions(ctx, key.Project, checkpoint, RunKey{})
	if err != nil {
		return tries{}, fmt.Errorf("look for decisions on the checkpoint of %s: %w", key.Name(), err)
	}
	out := tries{seen: len(all)}
	for _, d := range all {
		out.last = later(out.last, d.CreateTime)
	}
	first, err := s.firstLook(ctx, key)
	if err != nil {
		return tries{}, err
	}
	out.earlier = triesBefore(all, key, first)
	return out, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// firstLook is when a decision on the run first rested on its whole data; zero
// when none has.
func (s *Service) firstLook(ctx context.Context, key RunKey) (time.Time, error) {
	for page := (Page{Size: 100}); ; {
		own, next, err := s.deps.Store.ListDecisions(ctx, key.Project, "*", &key, page)
		if err != nil {
			return time.Time{}, fmt.Errorf("look for decisions on %s: %w", key.Name(), err)
		}
		for _, d := range own { // oldest first
			for _, rule := range d.Rules {
				if rule.Estimate != nil && rule.Reason != gate.ReasonRunNotFinished {
					return d.CreateTime, nil
				}
			}
		}
		if next == "" {
			return time.Time{}, nil
		}
		page.After = next
	}
}

// earlierDecisions lists the decisions on other runs of a checkpoint before a
// time (all when it is zero), with the comparisons that rested on data.
func earlierDecisions(ctx context.Context, store Store, key RunKey, checkpoint string, before time.Time) ([]gate.Earlier, error) {
	decisions, err := store.EarlierDecisions(ctx, key.Project, checkpoint, key)
	if err != nil {
		return nil, fmt.Errorf("look for earlier decisions on the checkpoint of %s: %w", key.Name(), err)
	}
	return triesBefore(decisions, key, before), nil
}

func triesBefore(decisions []Decision, key RunKey, before time.Time) []gate.Earlier {
	var out []gate.Earlier
	for _, d := range decisions {
		if d.Run == key {
			continue
		}
		if !before.IsZero() && !d.CreateTime.Before(before) {
			continue
		}
		e := gate.Earlier{Run: d.Run.Name(), Decision: GateName(d.Gate) + "/decisions/" + d.ID}
		for _, rule := range d.Rules {
			if rule.Estimate != nil {
				e.Looks = append(e.Looks, gate.Look{
					Metric: rule.Metric, Scenario: rule.Scenario, Contrast: rule.Contrast,
					Increase: rule.Increase, Max: rule.Max, Outcome: rule.Outcome,
				})
			}
		}
		out = append(out, e)
	}
	return out
}

// keyedLock has a lock for each key that is in use.
type keyedLock struct {
	mu    sync.Mutex
	locks map[string]*heldLock
}

type heldLock struct {
	sync.Mutex
	users int
}

// lock takes the lock of a key and returns what gives it back.
func (k *keyedLock) lock(key string) (unlock func()) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*heldLock{}
	}
	l := k.locks[key]
	if l == nil {
		l = &heldLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
}
