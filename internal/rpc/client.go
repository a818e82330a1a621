package rpc

import (
	"strings"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
)

// PolicyMessage returns a policy as a client sends it.
func PolicyMessage(p gate.Policy) *unmaskv1.Policy { return toPolicy(p) }

// DecisionOf returns a decision that a client received, for package gate to
// write. An outcome or a reason that this version does not know keeps its
// name, and so is not a PASS.
func DecisionOf(d *unmaskv1.Decision) gate.Decision {
	out := gate.Decision{
		Outcome: gate.Outcome(strings.TrimPrefix(d.GetOutcome().String(), "OUTCOME_")), Reasons: d.GetReasons(),
		PolicyDigest: d.GetPolicyDigest(), EvidenceDigest: d.GetEvidenceDigest(),
		Checkpoint: d.GetCheckpoint(), EarlierDecisions: int(d.GetEarlierDecisions()),
	}
	if d.GetCreateTime() != nil {
		out.DecidedAt = d.GetCreateTime().AsTime()
	}
	for _, r := range d.GetRules() {
		out.Rules = append(out.Rules, gate.RuleDecision{
			Rule: r.GetRule(), Metric: gate.Metric(strings.ToLower(strings.TrimPrefix(r.GetMetric().String(), "METRIC_"))),
			Scenario: strings.TrimPrefix(r.GetScenario(), "scenarios/"), Contrast: r.GetContrast(),
			Max: r.GetMax(), Confidence: r.GetConfidence(),
			Outcome:  gate.Outcome(strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_")),
			Reason:   gate.Reason(strings.TrimPrefix(r.GetReason().String(), "RULE_REASON_")),
			Estimate: r.Estimate, Lower: r.Lower, Upper: r.Upper, UpperWorstCase: r.UpperWorstCase,
			PPass: r.PPass, PBlock: r.PBlock, PBlockAdjusted: r.PBlockAdjusted,
			Queries: int(r.GetQueries()), Samples: int(r.GetSamples()), Excluded: int(r.GetExcluded()),
			Explanation: r.GetExplanation(), Increase: r.GetIncrease(), Tries: int(r.GetTries()),
			PassConfidence: r.GetPassConfidence(), UpperCorrected: r.UpperCorrected,
		})
	}
	return out
}
