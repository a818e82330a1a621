package app

import (
	"context"
	"strings"
	"sync"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// controls are the control queries of the scenarios that users define and runs
// use, so that simulated models answer them as they answer the built-in ones.
// It is safe for concurrent use.
type controls struct {
	mu    sync.RWMutex
	texts map[string]struct{}
}

func newControls() *controls { return &controls{texts: map[string]struct{}{}} }

// known reports whether a text with single spaces is one of them.
func (c *controls) known(text string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.texts[text]
	return ok
}

// learn takes in the controls of a scenario of a user.
func (c *controls) learn(sc *scenario.Scenario) {
	if sc.Builtin {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range sc.Queries {
		if q.Control {
			c.texts[strings.Join(strings.Fields(q.Text), " ")] = struct{}{}
		}
	}
}

// learningStore shows controls every scenario that a run is about: runs read
// theirs from the store before they send anything.
type learningStore struct {
	run.Store
	controls *controls
}

// GetScenario implements run.Store.
func (s learningStore) GetScenario(ctx context.Context, project string, ref run.ScenarioRef) (*scenario.Scenario, error) {
	sc, err := s.Store.GetScenario(ctx, project, ref)
	if err == nil {
		s.controls.learn(sc)
	}
	return sc, err
}
