package run

import (
	"context"
	"fmt"
	"math"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/planning"
)

// resolve fills in the defaults of a forecast's options and checks them. Tokens
// stay nil where the plan itself says more, and prices where nobody knows them.
func (s *Service) resolve(ctx context.Context, project string, o ForecastOptions, modelID string) (ForecastOptions, error) {
	policy, err := s.forecastPolicy(ctx, project, o)
	if err != nil {
		return o, err
	}
	o.Policy, o.Gate = &policy, ""
	if o.Goal == "" {
		o.Goal = planning.GoalPass
	}
	if o.Power == 0 {
		o.Power = planning.DefaultPower
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	fallback := func(v **float64, to float64) {
		if *v == nil {
			*v = &to
		}
	}
	fallback(&o.Training, 0)
	fallback(&o.Unmonitored, 0)
	fallback(&o.Faking, math.Max(*o.Training-*o.Unmonitored, 0))
	fallback(&o.ICC, planning.DefaultICC)
	fallback(&o.Correlation, planning.DefaultCorrelation)
	fallback(&o.Excluded, 0)
	if err := o.check(); err != nil {
		return o, err
	}
	if s.deps.Prices != nil {
		known := s.deps.Prices.Prices(modelID)
		if o.InputPrice == nil {
			o.InputPrice = known.Input
		}
		if o.OutputPrice == nil {
			o.OutputPrice = known.Output
		}
	}
	return o, nil
}

func (s *Service) forecastPolicy(ctx context.Context, project string, o ForecastOptions) (gate.Policy, error) {
	switch {
	case o.Gate != "" && o.Policy != nil:
		return gate.Policy{}, Invalid("forecast.policy", "must not stand beside a gate")
	case o.Gate != "":
		g, err := s.deps.Store.GetGate(ctx, project, o.Gate)
		return g.Policy, err
	case o.Policy == nil:
		return gate.DefaultPolicy().WithDefaults(), nil
	}
	if err := policyViolations("forecast.policy.", o.Policy.Validate()); err != nil {
		return gate.Policy{}, err
	}
	return o.Policy.WithDefaults(), nil
}

func (o ForecastOptions) check() error {
	out := &InvalidError{}
	add := func(field, format string, args ...any) {
		out.Violations = append(out.Violations, Violation{"forecast." + field, fmt.Sprintf(format, args...)})
	}
	if o.Goal != planning.GoalPass && o.Goal != planning.GoalBlock {
		add("goal", "must be pass or block, got %q", string(o.Goal))
	}
	for _, f := range []struct {
		field    string
		value    *float64
		from, to float64
	}{
		{"training", o.Training, 0, 1},
		{"unmonitored", o.Unmonitored, 0, 1},
		{"faking", o.Faking, 0, 1},
		{"icc", o.ICC, 0, 0.95},
		{"correlation", o.Correlation, -1, 1},
		{"excluded", o.Excluded, 0, 0.5},
		{"power", &o.Power, 0.5, 0.999},
		{"input_tokens", o.InputTokens, 0, MaxTokensAndPrices},
		{"output_tokens", o.OutputTokens, 0, MaxTokensAndPrices},
		{"input_price", o.InputPrice, 0, MaxTokensAndPrices},
		{"output_price", o.OutputPrice, 0, MaxTokensAndPrices},
	} {
		if f.value != nil && !(*f.value >= f.from && *f.value <= f.to) {
			add(f.field, "must lie in [%g, %g], got %v", f.from, f.to, *f.value)
		}
	}
	if *o.Faking > *o.Training {
		add("faking", "must not exceed the compliance under training of %v, because a faking sample complies, got %v", *o.Training, *o.Faking)
	}
	if o.Runs != 0 && (o.Runs < MinForecastRuns || o.Runs > MaxForecastRuns) {
		add("runs", "must be between %d and %d, got %d", MinForecastRuns, MaxForecastRuns, o.Runs)
	}
	if len(out.Violations) > 0 {
		return out
	}
	return nil
}

func (o ForecastOptions) truth() planning.Truth {
	return planning.Truth{
		Training: *o.Training, Unmonitored: *o.Unmonitored, Faking: *o.Faking,
		ICC: *o.ICC, Correlation: *o.Correlation, Excluded: *o.Excluded,
	}
}
