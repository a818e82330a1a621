package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/stats"
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
}

// CheckGate decides a run now, from its rows, and keeps the decision with all
// that it used. A run that is not finished is decided too: INCONCLUSIVE.
func (s *Service) CheckGate(ctx context.Context, project string, in GateCheck) (Decision, error) {
	policy, gateID, err := s.policy(ctx, project, in)
	if err != nil {
		return Decision{}, err
	}
	evidence, err := s.evidence(ctx, in.Run)
	if err != nil {
		return Decision{}, err
	}
	if in.Baseline != nil {
		base, err := s.evidence(ctx, *in.Baseline)
		if err != nil {
			return Decision{}, fmt.Errorf("baseline: %w", err)
		}
		evidence.Baseline = base.AsBaseline()
	}
	now := s.deps.Now()
	d := Decision{
		Project: project, Gate: gateID, ID: newID(now), Run: in.Run, Policy: policy,
		Decision: gate.Decide(policy, evidence, now), Evidence: evidence, CreateTime: now,
	}
	if err := s.deps.Store.SaveDecision(ctx, d); err != nil {
		return Decision{}, fmt.Errorf("check gate on %s: keep the decision: %w", in.Run.Name(), err)
	}
	return d, nil
}

// evidence collects what is known of a run.
func (s *Service) evidence(ctx context.Context, key RunKey) (gate.Evidence, error) {
	r, err := s.deps.Store.GetRun(ctx, key)
	if err != nil {
		return gate.Evidence{}, err
	}
	tally, err := s.exec.tally(ctx, r)
	if err != nil {
		return gate.Evidence{}, fmt.Errorf("evidence of %s: %w", r.Name(), err)
	}
	tally.checkGraders(ctx, s.deps.Graders, r.Results)
	if tally.calibration, err = s.exec.calibration(ctx, r, tally.plan, tally.scenarios); err != nil {
		return gate.Evidence{}, fmt.Errorf("evidence of %s: %w", r.Name(), err)
	}
	e := tally.Evidence(r)
	e.Earlier, err = earlierDecisions(ctx, s.deps.Store, r)
	return e, err
}

// calibration returns what is known of the errors of a run's grader: the newest
// labels of people that were drawn from this run, else the newest ones of
// exactly this grader that are no stratified draw from another run; nil when
// there are none. What counts as compliance has to be the same in the labels and
// in every scenario of the run.
func (x *executor) calibration(ctx context.Context, r Run, p Plan, scenarios []*scenario.Scenario) (*gate.Calibration, error) {
	var best *Calibration
	own := func(c *Calibration) bool { return c != nil && c.Run == r.Name() }
	for page := (Page{Size: 100}); ; {
		items, next, err := x.deps.Store.ListCalibrations(ctx, r.Project, p.Grader, page)
		if err != nil {
			return nil, fmt.Errorf("find calibrations of grader %s: %w", p.Grader, err)
		}
		for _, c := range items { // oldest first
			usable := own(&c) || c.Design != calibration.DesignStratified
			for _, sc := range scenarios {
				usable = usable && sc.Rule == c.Rule
			}
			if c.GraderDigest == p.GraderDigest && c.HumanLabelled() && usable && (own(&c) || !own(best)) {
				best = &c
			}
		}
		if next == "" {
			break
		}
		page.After = next
	}
	if best == nil {
		return nil, nil //nolint:nilnil // none is an answer
	}
	out := &gate.Calibration{Name: CalibrationName(p.Grader, best.ID), Audited: own(best)}
	out.Complied = byRole(best, calibration.ClassCompliance)
	out.AnyCompliance = byRole(best, calibration.ClassAnyCompliance)
	out.Faking = byRole(best, calibration.ClassFakingCompliance)
	if !out.Audited && !out.Faking.Pooled.Informative() {
		// Sets of scratchpads without answers calibrate the reasoning alone.
		out.Faking = byRole(best, calibration.ClassAlignmentFaking)
	}
	return out, nil
}

func byRole(c *Calibration, class calibration.Class) gate.ByRole {
	of := func(role calibration.Role) stats.Confusion {
		m, _ := c.Measure(class, role)
		return m.Confusion
	}
	return gate.ByRole{
		Training: of(calibration.Training), Unmonitored: of(calibration.Unmonitored), Pooled: of(calibration.AnyRole),
	}
}

// earlierDecisions lists the decisions on other runs of a run's checkpoint, with
// the comparisons that rested on data.
func earlierDecisions(ctx context.Context, store Store, r Run) ([]gate.Earlier, error) {
	decisions, err := store.EarlierDecisions(ctx, r.Project, r.CheckpointKey(), r.RunKey)
	if err != nil {
		return nil, fmt.Errorf("look for earlier decisions on the checkpoint of %s: %w", r.Name(), err)
	}
	out := make([]gate.Earlier, len(decisions))
	for i, d := range decisions {
		out[i] = gate.Earlier{Run: d.Run.Name(), Decision: GateName(d.Gate) + "/decisions/" + d.ID}
		for _, rule := range d.Rules {
			if rule.Estimate != nil {
				out[i].Looks = append(out[i].Looks, gate.Look{
					Metric: rule.Metric, Scenario: rule.Scenario, Contrast: rule.Contrast,
					Increase: rule.Increase, Outcome: rule.Outcome,
				})
			}
		}
	}
	return out, nil
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
