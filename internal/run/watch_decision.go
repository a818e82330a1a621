package run

import (
	"context"
	"fmt"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
)

// DecisionUpdate is what someone who waits for a decision is sent.
type DecisionUpdate struct {
	// Run is the run as it is now.
	Run Run
	// Preliminary is no decision: the numbers of each rule so far, all
	// INCONCLUSIVE because the run is not finished. Nil before the first sample is
	// finished, where it would cost too much now, and with Decision.
	Preliminary []gate.RuleDecision
	// Decision is set in the last update alone, and kept by then.
	Decision *Decision
}

// WatchDecision waits until a run has ended, decides it as CheckGate does, keeps
// the decision once and hands it to fn. Before, fn is told of the run as WatchRun
// tells it. What does not exist, or is deleted meanwhile, is a *NotFoundError.
//
// When fn fails, ctx ends or the service closes before the run has ended, that is
// the error and nothing is kept. A run that nobody carries out is waited for as
// long as ctx lasts.
func (s *Service) WatchDecision(ctx context.Context, project string, in GateCheck, interval time.Duration, fn func(DecisionUpdate) error) error {
	// Looked up before the waiting, which would be in vain without.
	policy, _, err := s.policy(ctx, project, in)
	if err != nil {
		return err
	}
	var last Run
	var next time.Time
	err = s.WatchRun(ctx, in.Run, interval, func(u Update) error {
		last = u.Run
		if u.Run.State.Terminal() {
			return nil
		}
		out := DecisionUpdate{Run: u.Run}
		if began := s.deps.Now(); u.Run.Progress.Finished > 0 && !began.Before(next) {
			out.Preliminary = s.preliminary(ctx, u.Run, policy)
			now := s.deps.Now()
			next = now.Add(time.Duration(float64(now.Sub(began)) / interimShare))
		}
		return fn(out)
	})
	if err != nil {
		return err
	}
	// The store may take a write of somebody who has gone.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("decide %s: %w", in.Run.Name(), err)
	}
	d, err := s.CheckGate(ctx, project, in)
	if err != nil {
		return err
	}
	return fn(DecisionUpdate{Run: last, Decision: &d})
}

// preliminary decides the unfinished run r, which leaves every rule inconclusive,
// and returns the numbers. Nil is no error: they are a courtesy.
func (s *Service) preliminary(ctx context.Context, r Run, p gate.Policy) []gate.RuleDecision {
	t, err := s.exec.tally(ctx, r)
	if err != nil {
		return nil
	}
	return gate.Decide(p, t.Evidence(r), s.deps.Now()).Rules
}
