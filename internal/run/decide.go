package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	// Baseline is the run that rules on an increase compare with, or nil.
	Baseline *RunKey
	// RequestID makes the request safe to repeat within its gate; "" for none.
	RequestID string
}

// CheckGate decides a run now, from its rows, and keeps the decision with all
// that it used. A run that is not finished is decided too: INCONCLUSIVE. A repeated
// request returns the decision of the first, or a *RequestReuseError.
func (s *Service) CheckGate(ctx context.Context, project string, in GateCheck) (Decision, error) {
	policy, gateID, err := s.policy(ctx, project, in)
	if err != nil {
		return Decision{}, err
	}
	if in.RequestID != "" {
		d, err := s.repeated(ctx, project, gateID, policy, in)
		if err == nil || !isNotFound(err) {
			return d, err
		}
	}
	evidence, checkpoint, err := s.evidence(ctx, in.Run)
	if err != nil {
		return Decision{}, err
	}
	if in.Baseline != nil {
		base, _, err := s.evidence(ctx, *in.Baseline)
		if err != nil {
			return Decision{}, fmt.Errorf("baseline: %w", err)
		}
		evidence.Baseline = base.AsBaseline()
	}
	d := Decision{Project: project, Gate: gateID, ID: newID(s.deps.Now()), Run: in.Run, Policy: policy}
	if in.RequestID != "" {
		d.ID = decisionOf(in.RequestID)
	}
	err = s.decideTry(ctx, &d, evidence, checkpoint)
	var exists *ExistsError
	if in.RequestID != "" && errors.As(err, &exists) {
		// Another request with this id was faster.
		return s.repeated(ctx, project, gateID, policy, in)
	}
	if err != nil {
		return Decision{}, fmt.Errorf("check gate on %s: keep the decision: %w", in.Run.Name(), err)
	}
	return d, nil
}

// decideTry decides d's run and keeps d. Tries of one checkpoint count each other,
// so they are decided one after the other: of two at the same time both would be
// the first. In this process a lock sees to it. Another process that was faster is
// noticed by the store, and what it kept is counted then; so somebody gets on
// whenever somebody has to begin again.
func (s *Service) decideTry(ctx context.Context, d *Decision, evidence gate.Evidence, checkpoint string) error {
	defer s.deciding.lock(d.Project + " " + checkpoint)()
	for {
		tries, err := s.triesOf(ctx, d.Run, checkpoint)
		if err != nil {
			return err
		}
		evidence.Earlier = tries.earlier
		// The order of the times is that of the tries, also when the clocks of the
		// processes differ: it says which of them count for a run.
		d.CreateTime = later(s.deps.Now(), tries.last.Add(time.Microsecond))
		d.Decision, d.Evidence = gate.Decide(d.Policy, evidence, d.CreateTime), evidence
		err = s.deps.Store.SaveTry(ctx, *d, tries.seen)
		var overtaken *TriesError
		if !errors.As(err, &overtaken) {
			return err
		}
	}
}

// decisionOf is the id of the decision that a request with an id of its own
// makes, so that the decision's name alone tells a repeated request.
func decisionOf(requestID string) string { return "r-" + digestOf(requestID)[:32] }

// repeated returns the decision that a request made before. Without one it is a
// *NotFoundError.
func (s *Service) repeated(ctx context.Context, project, gateID string, policy gate.Policy, in GateCheck) (Decision, error) {
	d, err := s.deps.Store.GetDecision(ctx, project, gateID, decisionOf(in.RequestID))
	if err != nil {
		return Decision{}, err
	}
	var baseline, kept string
	if in.Baseline != nil {
		baseline = in.Baseline.Name()
	}
	if d.Evidence.Baseline != nil {
		kept = d.Evidence.Baseline.Run
	}
	if d.Run != in.Run || kept != baseline || digestOf(d.Policy) != digestOf(policy) {
		return Decision{}, &RequestReuseError{RequestID: in.RequestID}
	}
	return d, nil
}

// evidence collects what is known of a run but for earlier decisions, and returns
// its checkpoint's key.
func (s *Service) evidence(ctx context.Context, key RunKey) (gate.Evidence, string, error) {
	r, err := s.deps.Store.GetRun(ctx, key)
	if err != nil {
		return gate.Evidence{}, "", err
	}
	tally, err := s.exec.tally(ctx, r)
	if err != nil {
		return gate.Evidence{}, "", fmt.Errorf("evidence of %s: %w", r.Name(), err)
	}
	tally.checkGraders(ctx, s.deps.Graders, r.Results)
	if tally.calibration, err = s.exec.calibration(ctx, r, tally.plan, tally.scenarios); err != nil {
		return gate.Evidence{}, "", fmt.Errorf("evidence of %s: %w", r.Name(), err)
	}
	return tally.Evidence(r), r.CheckpointKey(), nil
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
	if err := policyViolations("policy.", in.Policy.Validate()); err != nil {
		return gate.Policy{}, "", err
	}
	return in.Policy.WithDefaults(), InlineGate, nil
}

// policyViolations turns the problems of a policy into violations of the request
// that it came with, under a prefix.
func policyViolations(prefix string, err error) error {
	if err == nil {
		return nil
	}
	var pe *gate.PolicyError
	if !errors.As(err, &pe) {
		return Invalid(strings.TrimSuffix(prefix, "."), "%v", err)
	}
	out := &InvalidError{}
	for _, problem := range pe.Problems {
		out.Violations = append(out.Violations, Violation{prefix + problem.Field, problem.Message})
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
