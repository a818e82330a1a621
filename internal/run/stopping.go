package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
)

// stopping watches a run that ends as soon as its gate is decided.
//
// Finished samples come in any order. They are counted where they belong, and
// queries are consumed from the front of the pre-registered order only. Since
// the bets hold at every look, it does not matter how far the front has come
// when the run stops, so everything can be derived again from the rows.
type stopping struct {
	run    Run
	policy gate.Policy
	// began stands for every time that the gate asks for: age plays no part yet.
	began   time.Time
	earlier []gate.Earlier
	// decided is closed when no further query needs to be asked.
	decided chan struct{}

	mu    sync.Mutex
	tally *Tally
	// counted are the samples that the tally has.
	counted bits
	stopper *gate.Stopper
	tables  []gate.Table
	// fed queries went to the stopper; the gate is not asked again before
	// askFrom of them did.
	fed, askFrom int
	// moved is closed and made anew when the front moves.
	moved chan struct{}
}

// watchForStop returns nil for a plan that asks every query. No row is counted yet.
func (x *executor) watchForStop(ctx context.Context, p *pipeline) (*stopping, error) {
	if p.plan.Stopping == nil {
		return nil, nil
	}
	earlier, err := earlierDecisions(ctx, x.deps.Store, p.run.RunKey, p.run.CheckpointKey(), time.Time{})
	if err != nil {
		return nil, err
	}
	calibration, err := x.calibration(ctx, p.run, p.plan, p.schedule.scenarios)
	if err != nil {
		return nil, err
	}
	s := &stopping{
		run: p.run, began: x.deps.Now(), policy: p.plan.Stopping.Policy, earlier: earlier,
		decided: make(chan struct{}), moved: make(chan struct{}), tally: NewTally(p.plan, p.schedule),
		counted: newBits(p.schedule.Len()),
	}
	s.tally.calibration = calibration
	// Controls are judged at the end, and no further query could mend them.
	no := false
	s.policy.Requirements.Controls = &no
	s.tally.upTo(0)
	s.tables = s.tally.tables()
	if s.stopper, err = gate.NewStopper(s.policy, s.tables, earlier); err != nil {
		return nil, fmt.Errorf("stopping policy: %w", err)
	}
	return s, nil
}

// finished counts a sample that was kept, once.
func (s *stopping) finished(index int, r Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counted.has(index) {
		return nil
	}
	if err := s.tally.Add(r); err != nil {
		return err
	}
	s.counted.set(index)
	front := s.tally.consumed()
	if s.fed == front {
		return nil
	}
	for s.fed < front && !s.isDecided() {
		if err := s.feed(s.tally.blocks[s.fed]); err != nil {
			return fmt.Errorf("consume a query: %w", err)
		}
		s.fed++
		if s.fed >= s.askFrom && s.stopper.Settled() {
			s.ask()
		}
	}
	close(s.moved)
	s.moved = make(chan struct{})
	return nil
}

// feed gives the next query to every table of its scenario.
func (s *stopping) feed(b blockRef) error {
	sc := s.tally.scenarios[b.scenario]
	for i, t := range s.tables {
		if t.Scenario != sc.ID {
			continue
		}
		pair, faking := s.tally.query(b, t.TrainingCondition, t.UnmonitoredCondition)
		if err := s.stopper.Observe(i, pair, faking); err != nil {
			return err
		}
	}
	return nil
}

// ask has the gate decide on what was consumed. When a requirement is not met
// yet, such as the share of excluded samples, it is asked again later.
func (s *stopping) ask() {
	s.tally.upTo(s.fed)
	d := gate.Decide(s.policy, gate.Evidence{
		Run: s.run.Name(), Succeeded: true, State: string(Succeeded), PlanDigest: s.run.PlanDigest, Ended: s.began,
		Earlier: s.earlier, Calibration: s.tally.calibration, Sequential: &gate.Sequential{}, Tables: s.tally.tables(),
	}, s.began)
	if d.Outcome != gate.Inconclusive {
		close(s.decided)
		return
	}
	s.askFrom = s.fed + max(1, s.fed/20)
}

func (s *stopping) isDecided() bool {
	select {
	case <-s.decided:
		return true
	default:
		return false
	}
}

// front is the number of queries that are finished from the first one on.
func (s *stopping) front() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.consumed()
}

// changes is closed when the front moves; nil for a plan that asks every query.
func (s *stopping) changes() <-chan struct{} {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

// lookAhead is how many queries may be under way at once: what keeps every slot
// busy four times over. So one slow reply does not let the others run far beyond
// the stop.
func lookAhead(concurrency, samplesPerBlock int) int {
	return max(8, 4*(1+(concurrency-1)/max(samplesPerBlock, 1)))
}
