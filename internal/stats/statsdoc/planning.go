package statsdoc

import (
	"errors"
	"math"
	"slices"

	"github.com/unmask-eval/unmask/internal/stats"
)

// power is type power: sample sizes for each of config.scenarios.
func power(_ *table, c *config, out *object) error {
	var designs []stats.Design
	for _, s := range c.list("scenarios") {
		designs = append(designs, stats.Design{
			TrainingRate:    s.within("rate_free", 0, 1, nil),
			UnmonitoredRate: s.within("rate_paid", 0, 1, nil),
			TrainingICC:     s.within("icc_free", 0, 1, nil),
			UnmonitoredICC:  s.within("icc_paid", 0, 1, nil),
			Repeats:         s.integer("k", 1, 1_000_000, nil),
			Correlation:     s.within("correlation", -1, 1, fallback(0.0)),
			Threshold:       s.below1("threshold", -1),
			Alpha:           s.alpha("alpha"),
			Power:           s.below1("power", 0),
			QueryCost:       s.within("cost_prompt", 1e-12, 1e12, fallback(1.0)),
			SampleCost:      s.within("cost_sample", 1e-12, 1e12, fallback(1.0)),
		})
	}
	if err := c.err(); err != nil {
		return err
	}
	for i, d := range designs {
		prefix := "scenarios" + index(i) + "."
		plan, err := d.Plan()
		if err != nil {
			return inScenario(err, prefix)
		}
		out.put(prefix+"var_d", plan.Variance)
		out.put(prefix+"var_d_at_threshold", plan.ThresholdVariance)
		out.put(prefix+"design_effect_free", plan.DesignEffect)
		out.put(prefix+"n_wald", plan.QueriesWald)
		out.put(prefix+"n_score", plan.QueriesScore)
		out.put(prefix+"n_t", plan.QueriesT)
		out.put(prefix+"power_t_at_n_wald", plan.PowerT)
		out.put(prefix+"power_normal_at_n_wald", plan.PowerNormal)
		out.put(prefix+"k_optimal", plan.OptimalRepeats)
		out.put(prefix+"n_zero_events", plan.QueriesZeroEvents)
	}
	return nil
}

func inScenario(err error, prefix string) error {
	var input *stats.InputError
	if errors.As(err, &input) {
		return fieldError("config."+prefix+input.Field, "%s", input.Problem)
	}
	return err
}

// trend is type trend: repeated measures of one metric and condition over the
// steps of training.
func trend(t *table, c *config, out *object) error {
	score, _ := readScorer(c)
	alpha, of := c.alpha("alpha"), readCondition(c)
	axis := c.oneOf("x", "index", "index", "step", "log1p")
	if err := c.err(); err != nil {
		return err
	}
	steps, cells := t.overSteps(score, of)
	if len(steps) < 2 {
		return fieldError("data.rows", "must hold at least two steps of condition %s", conditionNames[of])
	}
	x := make([]float64, len(steps))
	for j, s := range steps {
		switch axis {
		case "index":
			x[j] = float64(j)
		case "step":
			x[j] = s
		default:
			if s <= -1 {
				return fieldError("config.x", "must not be log1p when a step is -1 or below")
			}
			x[j] = math.Log1p(s)
		}
	}
	est, err := stats.EstimateTrend(x, cells, alpha)
	if err != nil {
		return err
	}
	putTrend(out, est, steps)
	return nil
}

// overSteps arranges one condition by prompt and step, steps in rising order.
// Prompts without any row in the condition are left out.
func (t *table) overSteps(score scorer, of condition) ([]float64, [][]stats.TrendCell) {
	var steps []float64
	seen := make(map[float64]bool)
	for _, r := range t.rows {
		if r.condition == of && !seen[r.step] {
			seen[r.step] = true
			steps = append(steps, r.step)
		}
	}
	slices.Sort(steps)
	cells := make([][]stats.TrendCell, len(t.prompts))
	for _, r := range t.rows {
		if r.condition != of {
			continue
		}
		if cells[r.prompt] == nil {
			cells[r.prompt] = make([]stats.TrendCell, len(steps))
		}
		if v, ok := score(r); ok {
			j, _ := slices.BinarySearch(steps, r.step)
			cells[r.prompt][j].Sum += v
			cells[r.prompt][j].Valid++
		}
	}
	return steps, slices.DeleteFunc(cells, func(row []stats.TrendCell) bool { return row == nil })
}

func putTrend(out *object, e stats.Trend, steps []float64) {
	at := func(j *int) *float64 {
		if j == nil {
			return nil
		}
		return &steps[*j]
	}
	out.put("n_prompts", e.Queries)
	out.put("rates", e.Rates)
	out.put("slope", e.Slope)
	out.put("slope_se", e.SlopeSE)
	out.put("slope_t", e.SlopeT)
	out.put("slope_p_two_sided", e.SlopePTwoSided)
	out.put("slope_p_increasing", e.SlopePIncrease)
	out.interval("slope_ci", e.SlopeCI)
	out.put("isotonic", e.Isotonic)
	out.put("cochran_armitage_z_unclustered", e.CochranArmitageZ)
	out.put("gee_logit_slope", e.LogitSlope)
	out.put("gee_logit_se", e.LogitSE)
	out.put("vs_first.p_increase", e.PIncrease)
	out.put("vs_first.p_holm", e.PHolm)
	out.put("onset_step_holm", at(e.OnsetHolm))
	out.put("onset_step_spending", at(e.OnsetSpending))
	out.put("change_t", e.Change.T)
	out.put("change_after_step", at(e.Change.After))
	out.put("change_shift", e.Change.Shift)
	out.put("change_p_bonferroni", e.Change.PBonferroni)
}
