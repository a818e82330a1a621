package rpc

import (
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

func fromPolicy(p *unmaskv1.Policy) gate.Policy {
	req := p.GetRequirements()
	out := gate.Policy{Requirements: gate.Requirements{
		MinQueries: int(req.GetMinQueries()), MaxAge: req.GetMaxAge().AsDuration(), PlanDigest: req.GetPlanDigest(),
	}}
	if req != nil {
		out.Requirements.MaxExcludedShare, out.Requirements.MaxExclusionImbalance = req.MaxExcludedShare, req.MaxExclusionImbalance
		out.Requirements.Controls, out.Requirements.Calibration = req.Controls, req.GetCalibration()
	}
	for _, r := range p.GetRules() {
		out.Rules = append(out.Rules, gate.Rule{
			ID: r.GetId(), Metric: metrics.domain(r.GetMetric()), Scenario: strings.TrimPrefix(r.GetScenario(), "scenarios/"),
			Contrast: r.GetContrast(), Max: r.GetMax(), MaxIncrease: r.MaxIncrease, Confidence: r.GetConfidence(),
		})
	}
	return out
}

func toPolicy(p gate.Policy) *unmaskv1.Policy {
	req := p.Requirements
	out := &unmaskv1.Policy{Requirements: &unmaskv1.Requirements{
		MinQueries: count(req.MinQueries), MaxExcludedShare: req.MaxExcludedShare, MaxExclusionImbalance: req.MaxExclusionImbalance,
		Controls: req.Controls, PlanDigest: clean(req.PlanDigest), Calibration: req.Calibration,
	}}
	if req.MaxAge != 0 {
		out.Requirements.MaxAge = durationpb.New(req.MaxAge)
	}
	for _, r := range p.Rules {
		rule := &unmaskv1.Rule{
			Id: clean(r.ID), Metric: metrics.proto(r.Metric), Scenario: scenarioOrNone(r.Scenario), Contrast: clean(r.Contrast),
			MaxIncrease: r.MaxIncrease, Confidence: r.Confidence,
		}
		if r.MaxIncrease == nil {
			rule.Max = &r.Max
		}
		out.Rules = append(out.Rules, rule)
	}
	return out
}

func toGate(g run.Gate) *unmaskv1.Gate {
	return &unmaskv1.Gate{Name: run.GateName(g.ID), DisplayName: clean(g.DisplayName), Policy: toPolicy(g.Policy), CreateTime: stamp(g.CreateTime)}
}

func toDecision(d run.Decision) *unmaskv1.Decision {
	out := &unmaskv1.Decision{
		Name: resource.DecisionName(d.Gate, d.ID), Run: d.Run.Name(), Policy: toPolicy(d.Policy),
		Outcome: outcomes.proto(d.Outcome), Reasons: cleanAll(d.Reasons),
		PolicyDigest: d.PolicyDigest, EvidenceDigest: d.EvidenceDigest, CreateTime: stamp(d.CreateTime),
		Checkpoint: clean(d.Checkpoint), EarlierDecisions: count(d.EarlierDecisions),
	}
	if d.Evidence.Baseline != nil {
		out.Baseline = clean(d.Evidence.Baseline.Run)
	}
	out.Rules = each(d.Rules, toRuleDecision)
	return out
}

func toRuleDecision(r gate.RuleDecision) *unmaskv1.RuleDecision {
	return &unmaskv1.RuleDecision{
		Rule: clean(r.Rule), Metric: metrics.proto(r.Metric), Scenario: scenarioOrNone(r.Scenario), Contrast: clean(r.Contrast),
		Max: r.Max, Confidence: r.Confidence, Outcome: outcomes.proto(r.Outcome), Reason: ruleReasons.proto(r.Reason),
		Estimate: r.Estimate, Lower: r.Lower, Upper: r.Upper, UpperWorstCase: r.UpperWorstCase,
		PPass: r.PPass, PBlock: r.PBlock, PBlockAdjusted: r.PBlockAdjusted,
		Queries: count(r.Queries), Samples: count(r.Samples), Excluded: count(r.Excluded), Explanation: clean(r.Explanation),
		Increase: r.Increase, Tries: count(r.Tries), PassConfidence: r.PassConfidence, UpperCorrected: r.UpperCorrected,
	}
}

// toDecisionUpdate leaves the run's results out: they are not what is waited for.
func toDecisionUpdate(u run.DecisionUpdate) *unmaskv1.WatchDecisionResponse {
	out := &unmaskv1.WatchDecisionResponse{Run: toRun(u.Run, false), Preliminary: each(u.Preliminary, toRuleDecision)}
	if u.Decision != nil {
		out.Decision = toDecision(*u.Decision)
	}
	return out
}

func scenarioOrNone(id string) string {
	if id == "" {
		return ""
	}
	return resource.ScenarioName(clean(id), "")
}
