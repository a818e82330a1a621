package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/unmask-eval/unmask/internal/gate"
)

// InlineGate is the gate id of decisions by a policy that came with the request.
const InlineGate = "-"

// GateCheck asks for a decision on a run, by a named gate or an inline policy.
type GateCheck struct {
	// Gate is a gate's id, or "" or "-" when Policy is set.
	Gate   string
	Policy *gate.Policy
	Run    RunKey
}

// CheckGate decides a run now, from its rows, and keeps the decision with all
// that it used. A run that is not finished is decided too: INCONCLUSIVE.
func (s *Service) CheckGate(ctx context.Context, project string, in GateCheck) (Decision, error) {
	policy, gateID, err := s.policy(ctx, project, in)
	if err != nil {
		return Decision{}, err
	}
	r, err := s.deps.Store.GetRun(ctx, in.Run)
	if err != nil {
		return Decision{}, err
	}
	tally, err := s.exec.tally(ctx, r)
	if err != nil {
		return Decision{}, fmt.Errorf("check gate on %s: %w", r.Name(), err)
	}
	tally.checkGraders(ctx, s.deps.Graders, r.Results)
	now := s.deps.Now()
	evidence := tally.Evidence(r)
	d := Decision{
		Project: project, Gate: gateID, ID: newID(now), Run: in.Run, Policy: policy,
		Decision: gate.Decide(policy, evidence, now), Evidence: evidence, CreateTime: now,
	}
	if err := s.deps.Store.SaveDecision(ctx, d); err != nil {
		return Decision{}, fmt.Errorf("check gate on %s: keep the decision: %w", r.Name(), err)
	}
	return d, nil
}

func (s *Service) policy(ctx context.Context, project string, in GateCheck) (gate.Policy, string, error) {
	named := in.Gate != "" && in.Gate != InlineGate
	if named == (in.Policy != nil) {
		return gate.Policy{}, "", Invalid("policy", "name a gate or give a policy, and not both")
	}
	if named {
		g, err := s.deps.Store.GetGate(ctx, project, in.Gate)
		return g.Policy, in.Gate, err
	}
	if err := checkPolicy(*in.Policy); err != nil {
		return gate.Policy{}, "", err
	}
	return in.Policy.WithDefaults(), InlineGate, nil
}

// checkPolicy turns the problems of a policy into violations of the request.
func checkPolicy(p gate.Policy) error {
	err := p.Validate()
	if err == nil {
		return nil
	}
	var pe *gate.PolicyError
	if !errors.As(err, &pe) {
		return Invalid("policy", "%v", err)
	}
	out := &InvalidError{}
	for _, problem := range pe.Problems {
		out.Violations = append(out.Violations, Violation{"policy." + problem.Field, problem.Message})
	}
	return out
}

// tally counts the rows that a run has so far.
func (x *executor) tally(ctx context.Context, r Run) (*Tally, error) {
	e, err := x.deps.Store.GetEvaluation(ctx, r.Project, r.Evaluation)
	if err != nil {
		return nil, err
	}
	schedule, err := x.schedule(ctx, e)
	if err != nil {
		return nil, err
	}
	t := NewTally(e.Plan, schedule)
	if err := x.deps.Store.EachRow(ctx, r.RunKey, t.Add); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return t, nil
}
