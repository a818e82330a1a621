package rpc

import (
	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

func toResults(r *run.Results) *unmaskv1.Results {
	if r == nil {
		return nil
	}
	out := &unmaskv1.Results{Final: r.Final, Confidence: r.Confidence}
	if s := r.Stopping; s != nil {
		out.Stopping = &unmaskv1.StoppingResults{
			Complete: s.Complete, PlannedQueries: count(s.PlannedQueries), ConsumedQueries: count(s.ConsumedQueries),
			LeftOutSamples: count(s.LeftOutSamples), SavedSamples: count(s.SavedSamples),
		}
	}
	for _, s := range r.Scenarios {
		out.Scenarios = append(out.Scenarios, toScenarioResults(s))
	}
	for _, f := range r.Families {
		out.Families = append(out.Families, toFamily(f))
	}
	return out
}

func toFamily(f run.FamilyResults) *unmaskv1.FamilyResults {
	out := &unmaskv1.FamilyResults{
		Family: resource.ScenarioName(f.Family, ""), Contrast: f.Contrast, Training: f.Training, Unmonitored: f.Unmonitored,
		Least: f.Least, Greatest: f.Greatest, StandardDeviation: f.StandardDeviation,
	}
	for _, m := range f.Members {
		out.Members = append(out.Members, &unmaskv1.FamilyMember{
			Scenario: resource.ScenarioName(m.Scenario.ID, m.Scenario.Revision), Factor: variantFactors.proto(m.Factor),
			ComplianceGap: toGap(m.ComplianceGap), AdjustedPValue: m.AdjustedPValue,
		})
	}
	if w := f.Worst; w != nil {
		out.Worst = &unmaskv1.WorstMember{
			Scenario: resource.ScenarioName(w.Scenario.ID, w.Scenario.Revision), Estimate: w.Estimate, Lower: w.Lower, Upper: w.Upper, Method: w.Method,
		}
	}
	if c := f.Components; c != nil {
		out.Components = &unmaskv1.FamilyComponents{
			BetweenVariants: c.BetweenVariants, BetweenQueries: c.BetweenQueries, Residual: c.Residual,
			Members: count(c.Members), Queries: count(c.Queries), IncompleteQueries: count(c.IncompleteQueries),
		}
	}
	return out
}

func toScenarioResults(s run.ScenarioResults) *unmaskv1.ScenarioResults {
	out := &unmaskv1.ScenarioResults{Scenario: resource.ScenarioName(s.Scenario.ID, s.Scenario.Revision)}
	for _, c := range s.Conditions {
		out.Conditions = append(out.Conditions, toConditionResults(c))
	}
	for _, c := range s.Contrasts {
		out.Contrasts = append(out.Contrasts, &unmaskv1.ContrastResults{
			Contrast: c.Contrast, Primary: c.Primary, Training: c.Training, Unmonitored: c.Unmonitored,
			ComplianceGap: toGap(c.ComplianceGap), ComplianceGapWithoutFaking: toGap(c.ComplianceGapWithoutFaking),
			Headroom: headrooms.proto(c.Headroom), MinimumDetectableGap: c.MinimumDetectableGap,
			ExclusionImbalance: toImbalance(c.ExclusionImbalance), Corrected: toCorrected(c.Corrected),
			Behaviors: each(c.Behaviors, toBehaviorGap),
		})
	}
	for _, c := range s.Controls {
		out.Controls = append(out.Controls, &unmaskv1.ControlResult{Id: c.ID, Passed: c.Passed, Detail: clean(c.Detail)})
	}
	return out
}

func toConditionResults(c run.ConditionResults) *unmaskv1.ConditionResults {
	out := &unmaskv1.ConditionResults{
		Condition: c.Condition, Planned: count(c.Planned), Finished: count(c.Finished), Graded: count(c.Graded),
		Refusal: toRate(c.Refusal), Partial: toRate(c.Partial), Compliance: toRate(c.Compliance),
		AlignmentFaking: toRate(c.AlignmentFaking), AlignmentFakingReasoning: toRate(c.AlignmentFakingReasoning),
		Behaviors: each(c.Behaviors, toBehaviorRate),
	}
	for _, e := range c.Exclusions {
		out.Exclusions = append(out.Exclusions, toExclusion(e))
	}
	for _, o := range c.Observations {
		out.Observations = append(out.Observations, &unmaskv1.ObservationCount{Observation: observations.proto(o.Observation), Count: count(o.Count)})
	}
	return out
}

func toBehaviorRate(b run.BehaviorRate) *unmaskv1.BehaviorRate {
	return &unmaskv1.BehaviorRate{
		Behavior: clean(b.Behavior), Rate: toRate(b.Rate), Exclusions: each(b.Exclusions, toExclusion), MetNotObservable: count(b.MetNotObservable),
	}
}

func toBehaviorGap(b run.BehaviorGap) *unmaskv1.BehaviorGap {
	return &unmaskv1.BehaviorGap{Behavior: clean(b.Behavior), Gap: toGap(b.Gap)}
}

func toExclusion(e run.Exclusion) *unmaskv1.Exclusion {
	return &unmaskv1.Exclusion{Cause: exclusionCauses.proto(e.Cause), Count: count(e.Count)}
}

func toRate(r run.Rate) *unmaskv1.Rate {
	return &unmaskv1.Rate{
		Numerator: r.Numerator, Denominator: count(r.Denominator), Queries: count(r.Queries), Excluded: count(r.Excluded),
		Estimate: r.Estimate, StandardError: r.StandardError, Lower: r.Lower, Upper: r.Upper, Method: r.Method,
		WorstLower: r.WorstLower, WorstUpper: r.WorstUpper,
	}
}

func toGap(g run.Gap) *unmaskv1.Gap {
	return &unmaskv1.Gap{
		Estimate: g.Estimate, StandardError: g.StandardError, Lower: g.Lower, Upper: g.Upper, PValue: g.PValue,
		Queries: count(g.Queries), IncompleteQueries: count(g.IncompleteQueries), Samples: count(g.Samples), Excluded: count(g.Excluded),
		Method: g.Method, WorstLower: g.WorstLower, WorstUpper: g.WorstUpper,
	}
}

func toImbalance(i run.ExclusionImbalance) *unmaskv1.ExclusionImbalance {
	return &unmaskv1.ExclusionImbalance{
		Training: i.Training, Unmonitored: i.Unmonitored, Difference: i.Difference,
		Lower: i.Lower, Upper: i.Upper, PValue: i.PValue,
	}
}

func toCorrected(c *run.CorrectedResults) *unmaskv1.CorrectedResults {
	if c == nil {
		return nil
	}
	one := func(e *run.Corrected) *unmaskv1.CorrectedEstimate {
		if e == nil {
			return nil
		}
		return &unmaskv1.CorrectedEstimate{Estimate: e.Estimate, Lower: e.Lower, Upper: e.Upper}
	}
	return &unmaskv1.CorrectedResults{
		Calibration: clean(c.Calibration), ComplianceGap: one(c.ComplianceGap), TrainingCompliance: one(c.TrainingCompliance),
		UnmonitoredCompliance: one(c.UnmonitoredCompliance), AlignmentFaking: one(c.AlignmentFaking),
	}
}
