package run

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// stoppedError says that samples stopped before the plan's end without fault.
type stoppedError struct{ draining bool }

func (e *stoppedError) Error() string { return "stopped" }

// samples generates, parses, grades and keeps every sample without a row.
// It returns nil when all have one.
func (x *executor) samples(ctx context.Context, r Run) error {
	p, err := x.prepare(ctx, r)
	if err != nil {
		return err
	}
	if r.State == Pending {
		r.State, r.StartTime = Running, x.deps.Now()
		if err := x.deps.Store.UpdateRun(ctx, r, Pending); err != nil {
			return fmt.Errorf("start: %w", err)
		}
		x.feed.touch(r.RunKey)
	}
	finished, err := x.deps.Store.FinishedSamples(ctx, r.RunKey)
	if err != nil {
		return fmt.Errorf("read finished samples: %w", err)
	}
	if p.stop, err = x.watchForStop(ctx, p); err != nil {
		return fmt.Errorf("watch for the stop: %w", err)
	}
	work := make(chan Sample)
	group, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range r.Concurrency {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for s := range work {
				if err := p.one(group, s); err != nil {
					cancel(err)
				}
			}
		}()
	}
	stopped := p.dispatch(group, finished, work)
	close(work)
	wg.Wait()
	switch cause := context.Cause(group); {
	case ctx.Err() != nil:
		return &stoppedError{draining: x.base.Err() != nil}
	case cause != nil:
		return cause
	case stopped:
		return &stoppedError{draining: true}
	default:
		return nil
	}
}

// pipeline is what the samples of one run go through.
type pipeline struct {
	x        *executor
	run      Run
	plan     Plan
	schedule *Schedule
	byID     map[string]*scenario.Scenario
	// texts has the queries' texts by scenario and query.
	texts  map[[2]string]string
	model  model.Model
	grader grading.Grader
	// stop is nil for a plan that asks every query.
	stop *stopping
	// unanswered counts the samples in a row that the model did not answer.
	unanswered atomic.Int64
}

func (x *executor) prepare(ctx context.Context, r Run) (*pipeline, error) {
	e, err := x.deps.Store.GetEvaluation(ctx, r.Project, r.Evaluation)
	if err != nil {
		return nil, err
	}
	p := &pipeline{x: x, run: r, plan: e.Plan, byID: map[string]*scenario.Scenario{}, texts: map[[2]string]string{}}
	if p.schedule, err = x.schedule(ctx, e); err != nil {
		return nil, err
	}
	for _, sc := range p.schedule.scenarios {
		p.byID[sc.ID] = sc
		for _, q := range sc.Queries {
			p.texts[[2]string{sc.ID, q.ID}] = q.Text
		}
	}
	if p.model, err = x.deps.Models.Model(r.Model); err != nil {
		return nil, fmt.Errorf("model %q: %w", r.Model, err)
	}
	if p.grader, err = x.deps.Graders.Grader(e.Plan.Grader); err != nil {
		return nil, fmt.Errorf("grader %q: %w", e.Plan.Grader, err)
	}
	if p.grader.Digest() != e.Plan.GraderDigest {
		// Half a run graded by another grader would not be one measurement.
		return nil, fmt.Errorf("grader %q is now %s, and the plan pins %s: create a new evaluation", e.Plan.Grader, p.grader.Digest(), e.Plan.GraderDigest)
	}
	return p, nil
}

// dispatch hands out the samples that have no row, in plan order. It returns
// true when it stopped before the end because the process is draining.
func (p *pipeline) dispatch(ctx context.Context, finished map[string]struct{}, work chan<- Sample) bool {
	for i := range p.schedule.Len() {
		s := p.schedule.At(i)
		if _, done := finished[s.ID]; done {
			continue
		}
		// Controls are owed whatever was decided.
		var decided <-chan struct{}
		if block := p.schedule.Block(i); block >= 0 && p.stop != nil {
			decided = p.stop.decided
			perBlock := p.plan.SamplesPerQuery * len(p.byID[s.Scenario.ID].Conditions)
			p.stop.ahead(ctx, block, lookAhead(p.run.Concurrency, perBlock), p.x.draining)
			if p.stop.isDecided() {
				return false
			}
		}
		// A select takes ready cases at random; draining has to win.
		select {
		case <-p.x.draining:
			return true
		default:
		}
		select {
		case work <- s:
		case <-decided:
			return false
		case <-ctx.Done():
			return false
		case <-p.x.draining:
			return true
		}
	}
	return false
}
