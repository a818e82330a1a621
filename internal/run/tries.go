package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
)

// earlierDecisions lists the decisions that count as tries before a run: those
// on other runs of its checkpoint that were taken before the run itself was first
// looked at. What was tried after it does not make its own decision worse when it
// is asked for again.
func (s *Service) earlierDecisions(ctx context.Context, key RunKey, checkpoint string) ([]gate.Earlier, error) {
	first, err := s.firstLook(ctx, key)
	if err != nil {
		return nil, err
	}
	return earlierDecisions(ctx, s.deps.Store, key, checkpoint, first)
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
	var out []gate.Earlier
	for _, d := range decisions {
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
	return out, nil
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
