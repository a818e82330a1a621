package run

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// pipeline is what the samples of one run go through.
type pipeline struct {
	x        *executor
	site     *site
	run      Run
	plan     Plan
	schedule *Schedule
	byID     map[string]*scenario.Scenario
	// texts has the queries' texts by scenario and query.
	texts  map[[2]string]string
	model  model.Model
	grader grading.Grader
	// stop is nil for a plan that asks every query, and where the foreman is not.
	stop atomic.Pointer[stopping]
	// unanswered counts the samples in a row that the model did not answer here.
	unanswered atomic.Int64
	// answered says that the model has answered a sample of the run; badRequests
	// counts those that it called wrong here before.
	answered    atomic.Bool
	badRequests atomic.Int64
}

// fatalError is why a run cannot be carried out, now or later.
type fatalError struct{ error }

// Unwrap returns what is wrong.
func (e *fatalError) Unwrap() error { return e.error }

// prepare returns a *fatalError, or what kept it from reading.
func (x *executor) prepare(ctx context.Context, r Run) (*pipeline, error) {
	e, err := x.deps.Store.GetEvaluation(ctx, r.Project, r.Evaluation)
	if err != nil {
		return nil, lasting(err)
	}
	p := &pipeline{x: x, run: r, plan: e.Plan, byID: map[string]*scenario.Scenario{}, texts: map[[2]string]string{}}
	p.answered.Store(r.Progress.Finished > r.Progress.Errors)
	if p.schedule, err = x.schedule(ctx, e); err != nil {
		return nil, lasting(err)
	}
	for _, sc := range p.schedule.scenarios {
		p.byID[sc.ID] = sc
		for _, q := range sc.Queries {
			p.texts[[2]string{sc.ID, q.ID}] = q.Text
		}
	}
	if p.model, err = x.deps.Models.Model(r.Model); err != nil {
		// Another process may have it, or this one when it is configured again.
		return nil, fmt.Errorf("%s waits for its model %q", r.Name(), r.Model)
	}
	if p.grader, err = x.deps.Graders.Grader(e.Plan.Grader); err != nil {
		return nil, &fatalError{fmt.Errorf("grader %q: %w", e.Plan.Grader, err)}
	}
	if p.grader.Digest() != e.Plan.GraderDigest {
		// Half a run graded by another grader would not be one measurement.
		return nil, &fatalError{fmt.Errorf("grader %q is now %s, and the plan pins %s: create a new evaluation",
			e.Plan.Grader, p.grader.Digest(), e.Plan.GraderDigest)}
	}
	return p, nil
}

// lasting marks what will not be there later either.
func lasting(err error) error {
	if isNotFound(err) {
		return &fatalError{err}
	}
	return err
}
