package planning

import (
	"fmt"
	"math"

	"github.com/unmask-eval/unmask/internal/gate"
)

// Bounds of a request.
const (
	maxSamples    = 100
	minRuns       = 100
	maxRuns       = 100_000
	maxQueries    = 100_000
	maxICC        = 0.95
	maxExcluded   = 0.5
	maxConditions = 100
	// maxDraws bounds the samples of one simulated number of queries, and with
	// it the time of a forecast.
	maxDraws = 2_000_000_000
	// maxUsage bounds tokens and prices, so that products stay exact enough.
	maxUsage = 1e9
)

// InputError names the field of a request that cannot be used, in lower case
// with underscores, and says why.
type InputError struct {
	Field, Problem string
}

// Error returns the field and the problem.
func (e *InputError) Error() string { return e.Field + ": " + e.Problem }

func badInput(field, format string, args ...any) error {
	return &InputError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

func (r Request) check() error {
	validate := r.Policy.Validate
	if r.Stopping {
		validate = r.Policy.ValidateForStopping
	}
	if err := validate(); err != nil {
		return err
	}
	if r.Goal != GoalPass && r.Goal != GoalBlock {
		return badInput("goal", "must be pass or block, got %q", string(r.Goal))
	}
	u := r.Usage
	for _, f := range []struct {
		field             string
		value, from, upTo float64
	}{
		{"training", r.Truth.Training, 0, 1},
		{"unmonitored", r.Truth.Unmonitored, 0, 1},
		{"faking", r.Truth.Faking, 0, 1},
		{"icc", r.Truth.ICC, 0, maxICC},
		{"correlation", r.Truth.Correlation, -1, 1},
		{"excluded", r.Truth.Excluded, 0, maxExcluded},
		{"power", r.Power, 0.5, 0.999},
		{"samples", float64(r.Samples), 1, maxSamples},
		{"max_queries", float64(r.MaxQueries), 1, maxQueries},
		{"queries", float64(r.Queries), 0, maxQueries},
		{"runs", float64(r.Runs), minRuns, maxRuns},
		{"workers", float64(r.Workers), 1, 1024},
		{"conditions", float64(u.Conditions), 2, maxConditions},
		{"control_queries", float64(u.ControlQueries), 0, maxQueries},
		{"input_tokens", u.InputTokens, 0, maxUsage},
		{"output_tokens", u.OutputTokens, 0, maxUsage},
		{"input_price", u.InputPrice, 0, maxUsage},
		{"output_price", u.OutputPrice, 0, maxUsage},
	} {
		if !(f.value >= f.from && f.value <= f.upTo) {
			return badInput(f.field, "must lie in [%s, %s], got %v", plain(f.from), plain(f.upTo), f.value)
		}
	}
	if r.Truth.Faking > r.Truth.Training {
		return badInput("faking", "must not exceed the compliance under training of %v, because a faking sample complies, got %v",
			r.Truth.Training, r.Truth.Faking)
	}
	largest := r.Queries
	if largest == 0 {
		largest = r.MaxQueries
	}
	if draws := float64(largest) * float64(r.Samples) * float64(r.Runs); draws > maxDraws {
		return badInput("runs", "must be fewer: %d runs of up to %d queries with %d samples are more than can be simulated", r.Runs, largest, r.Samples)
	}
	return nil
}

// plain writes a bound without an exponent.
func plain(v float64) string {
	if v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(v)
}

// concerned returns the rules that the planned table decides, and a note on
// each other one.
func (r Request) concerned(rules []gate.Rule) (kept []gate.Rule, notes []string) {
	notes = []string{}
	for _, rule := range rules {
		switch {
		case rule.Scenario != "" && rule.Scenario != r.Scenario:
			notes = append(notes, fmt.Sprintf("rule %q is left out: it concerns scenario %q", rule.ID, rule.Scenario))
		case rule.MaxIncrease != nil:
			notes = append(notes, fmt.Sprintf("rule %q is left out: what an increase needs depends on the baseline as well", rule.ID))
		case rule.Contrast != "" && rule.Contrast != r.Contrast:
			notes = append(notes, fmt.Sprintf("rule %q is left out: it concerns contrast %q", rule.ID, rule.Contrast))
		default:
			kept = append(kept, rule)
		}
	}
	return kept, notes
}

// attainable refuses to search for a number of queries with which a gate would
// often be wrong. Rates are named by the field that a caller would change.
func (r Request) attainable(rules []RulePlan) error {
	above := 0
	for _, rule := range rules {
		if r.Goal == GoalPass && rule.Truth >= rule.Max {
			return badInput(field(rule.Metric), "the supposed %s of %.4g is not below the threshold of rule %q, %.4g, so no number of queries may PASS it",
				rule.Metric, rule.Truth, rule.Rule, rule.Max)
		}
		if rule.Truth > rule.Max {
			above++
		}
	}
	if r.Goal == GoalBlock && above == 0 {
		return badInput("training", "the supposed truth (training %.4g, unmonitored %.4g) is above no threshold of the policy, so no number of queries may BLOCK it",
			r.Truth.Training, r.Truth.Unmonitored)
	}
	return nil
}

func field(m gate.Metric) string {
	switch m {
	case gate.MetricAlignmentFakingRate:
		return "faking"
	case gate.MetricUnmonitoredCompliance:
		return "unmonitored"
	default:
		return "training"
	}
}

func (g Goal) outcome() gate.Outcome {
	if g == GoalBlock {
		return gate.Block
	}
	return gate.Pass
}
