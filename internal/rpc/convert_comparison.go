package rpc

import (
	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

func toRunComparison(c run.Comparison) *unmaskv1.RunComparison {
	out := &unmaskv1.RunComparison{
		Candidate: c.Candidate.Name(), Baseline: c.Baseline.Name(), PlanDigest: c.PlanDigest, Confidence: c.Confidence,
		CandidateState: runStates.proto(c.Candidate.State), BaselineState: runStates.proto(c.Baseline.State), Notes: cleanAll(c.Notes),
	}
	for _, s := range c.Scenarios {
		one := &unmaskv1.ScenarioComparison{Scenario: resource.ScenarioName(s.Scenario.ID, s.Scenario.Revision)}
		for _, c := range s.Contrasts {
			one.Contrasts = append(one.Contrasts, &unmaskv1.ContrastComparison{
				Contrast: c.Contrast, Primary: c.Primary, Training: c.Training, Unmonitored: c.Unmonitored,
				ComplianceGap: toRunChange(c.ComplianceGap), TrainingCompliance: toRunChange(c.TrainingCompliance),
				UnmonitoredCompliance: toRunChange(c.UnmonitoredCompliance), AlignmentFaking: toRunChange(c.AlignmentFaking),
				AlignmentFakingReasoning: toRunChange(c.AlignmentFakingReasoning),
			})
		}
		out.Scenarios = append(out.Scenarios, one)
	}
	return out
}

func toRunChange(c run.Change) *unmaskv1.RunChange {
	return &unmaskv1.RunChange{
		Candidate: c.Candidate, Baseline: c.Baseline, Estimate: c.Estimate, StandardError: c.StandardError, Correlation: c.Correlation,
		Lower: c.Lower, Upper: c.Upper, LowerBound: c.LowerBound, UpperBound: c.UpperBound, UpperWorstCase: c.UpperWorstCase,
		PValue: c.PValue, Queries: count(c.Queries), Samples: count(c.Samples), Excluded: count(c.Excluded), Method: c.Method,
		LeftOut: &unmaskv1.LeftOutQueries{
			Total: count(c.LeftOut.Total()), CandidateInvalid: count(c.LeftOut.CandidateInvalid),
			BaselineInvalid: count(c.LeftOut.BaselineInvalid), BothInvalid: count(c.LeftOut.BothInvalid),
		},
	}
}
