package rpc

import (
	"errors"
	"strings"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/planning"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// fromForecastOptions returns nil for none.
func fromForecastOptions(o *unmaskv1.ForecastOptions) *run.ForecastOptions {
	if o == nil {
		return nil
	}
	out := &run.ForecastOptions{
		Goal: forecastGoals.domain(o.GetGoal()), Power: o.GetPower(),
		Training: o.Training, Unmonitored: o.Unmonitored, Faking: o.Faking,
		ICC: o.Icc, Correlation: o.Correlation, Excluded: o.Excluded,
		InputTokens: o.InputTokens, OutputTokens: o.OutputTokens, InputPrice: o.InputPrice, OutputPrice: o.OutputPrice,
		Runs: int(o.GetRuns()), Seed: o.GetSeed(),
	}
	out.Gate, _ = resource.Gate(o.GetGate())
	if o.GetPolicy() != nil {
		policy := fromPolicy(o.GetPolicy())
		out.Policy = &policy
	}
	return out
}

// underRun names the fields of an error as CreateRunRequest has them: those of the
// forecast stand beside the run, all others in it.
func underRun(err error) error {
	var invalid *run.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	out := &run.InvalidError{}
	for _, v := range invalid.Violations {
		if !strings.HasPrefix(v.Field, "forecast.") {
			v.Field = "run." + v.Field
		}
		out.Violations = append(out.Violations, v)
	}
	return out
}

func toForecast(f run.Forecast) *unmaskv1.RunForecast {
	out := &unmaskv1.RunForecast{
		PlannedSamples: count(f.PlannedSamples), Queries: count(f.Queries), Advice: cleanAll(f.Advice),
		Usage: toExpectedUsage(f.Usage),
	}
	if o := f.Options; o != nil {
		out.Options = &unmaskv1.ForecastOptions{
			Policy: toPolicy(*o.Policy), Goal: forecastGoals.proto(o.Goal), Power: o.Power,
			Training: o.Training, Unmonitored: o.Unmonitored, Faking: o.Faking,
			Icc: o.ICC, Correlation: o.Correlation, Excluded: o.Excluded,
			InputTokens: o.InputTokens, OutputTokens: o.OutputTokens, InputPrice: o.InputPrice, OutputPrice: o.OutputPrice,
			Runs: count(o.Runs), Seed: o.Seed,
		}
	}
	for _, sc := range f.Scenarios {
		out.Scenarios = append(out.Scenarios, toScenarioForecast(sc))
	}
	return out
}

func toScenarioForecast(f run.ScenarioForecast) *unmaskv1.ScenarioForecast {
	out := &unmaskv1.ScenarioForecast{
		Scenario: resource.ScenarioName(f.Scenario.ID, f.Scenario.Revision), Queries: count(f.Queries), ControlQueries: count(f.ControlQueries),
		Usage: toExpectedUsage(f.Usage), Notes: cleanAll(f.Notes),
	}
	if f.Sampling != nil {
		out.Sampling = toSampling(*f.Sampling)
	}
	j := f.Judgement
	if j == nil {
		return out
	}
	out.Runs, out.Reached, out.NeededQueries = count(j.Runs), j.Reached, optionalCount(j.Needed)
	out.Chances = &unmaskv1.OutcomeChances{
		Pass: toChance(j.Chances.Pass), Block: toChance(j.Chances.Block), Inconclusive: toChance(j.Chances.Inconclusive),
	}
	out.DetectableUnknown = j.DetectableUnknown
	out.ExpectedQueries, out.ExpectedCalls = j.ExpectedQueries, j.ExpectedCost.Calls
	if d := j.Detectable; d != nil {
		out.DetectableGap, out.DetectableThreshold = d.Gap, d.Threshold
	}
	for _, r := range j.Rules {
		out.Rules = append(out.Rules, &unmaskv1.RuleForecast{
			Rule: clean(r.Rule), Metric: metrics.proto(r.Metric), Max: r.Max, Truth: r.Truth,
			ScoreQueries: optionalCount(r.ScoreQueries), SilentQueries: optionalCount(r.SilentQueries),
		})
	}
	return out
}

func toChance(s planning.Share) *unmaskv1.Chance {
	return &unmaskv1.Chance{Estimate: s.Estimate, StandardError: s.StandardError}
}

func toExpectedUsage(u run.ExpectedUsage) *unmaskv1.ExpectedUsage {
	return &unmaskv1.ExpectedUsage{
		Calls: u.Calls, InputTokens: u.InputTokens, InputBasis: tokenBases.proto(u.InputBasis),
		OutputTokens: u.OutputTokens, OutputBasis: tokenBases.proto(u.OutputBasis), Price: u.Price,
	}
}

func optionalCount(n *int) *int32 {
	if n == nil {
		return nil
	}
	out := count(*n)
	return &out
}
