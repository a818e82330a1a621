package statsdoc

import (
	"github.com/unmask-eval/unmask/internal/stats"
)

// sequential is type sequential: the hybrid design, early stopping at
// config.alpha_early and a final look at config.alpha_final.
func sequential(t *table, c *config, out *object) error {
	spec := readMetricSpec(c)
	weight, minimum := readWeight(c), readMinimum(c)
	early, final := c.alpha("alpha_early"), c.alpha("alpha_final")
	fractions := c.integer("bet_fractions", 1, 1000, fallback(stats.DefaultBetFractions))
	reports := c.numbers("report_at", false, 1, 1e9)
	if err := c.err(); err != nil {
		return err
	}
	settings := stats.MonitorConfig{
		Quantity: stats.Gap, Threshold: spec.threshold, Alpha: early,
		MinClusters: minimum, BetFractions: fractions,
	}
	if spec.kind == kindRate {
		settings.Quantity = stats.Rate
	}
	score, _ := newScorer(spec.metric, weight)
	pairs := t.pairs(score, nil)
	verdict, err := putMonitor(out, settings, steps(pairs, spec), reports)
	if err != nil {
		return err
	}
	if verdict == stats.Inconclusive {
		est, err := spec.estimate(t, weight, final)
		if err != nil {
			return err
		}
		bounds := est.bounds
		out.put("final.lower", bounds.Lower)
		out.put("final.upper", bounds.Upper)
		out.put("final.upper_worst_case_missing", bounds.UpperWorstCase)
		out.put("final.upper_worst_case", est.worst)
		verdict = stats.Decide(bounds, spec.threshold, minimum).Verdict
	}
	out.put("verdict", string(verdict))
	return nil
}

// plannedStep is a step with the number of samples that it took.
type plannedStep struct {
	stats.Step
	samples int
}

func steps(pairs []stats.Pair, spec metricSpec) []plannedStep {
	var out []plannedStep
	for _, p := range pairs {
		if spec.kind == kindGap {
			if s, ok := stats.GapStep(p); ok {
				out = append(out, plannedStep{s, p.Training.Planned + p.Unmonitored.Planned})
			}
			continue
		}
		c := p.Training
		if spec.condition == paid {
			c = p.Unmonitored
		}
		if s, ok := stats.RateStep(c); ok {
			out = append(out, plannedStep{s, c.Planned})
		}
	}
	return out
}

// putMonitor runs both the stopping rule and the confidence sequence and
// reports the trajectory, past the stop too.
func putMonitor(out *object, settings stats.MonitorConfig, steps []plannedStep, reports []written) (stats.Verdict, error) {
	monitor, err := stats.NewMonitor(settings)
	if err != nil {
		return stats.Inconclusive, err
	}
	sequence, err := stats.NewConfidenceSequence(settings)
	if err != nil {
		return stats.Inconclusive, err
	}
	wanted, last := make(map[int]string, len(reports)), 0
	for _, r := range reports {
		wanted[int(r.value)] = "n" + r.text + "."
		last = max(last, int(r.value))
	}
	used := 0
	for i, s := range steps {
		if _, err := monitor.Observe(s.Step); err != nil {
			return stats.Inconclusive, err
		}
		if i < last { // the bounds are for reports only, and cost more
			if err := sequence.Observe(s.Step); err != nil {
				return stats.Inconclusive, err
			}
		}
		if stopped := monitor.Stopped(); stopped == 0 || stopped == i+1 {
			used += s.samples
		}
		prefix, report := wanted[i+1]
		if !report {
			continue
		}
		current, running := sequence.Current(), sequence.Running()
		out.put(prefix+"log_e_pass", monitor.LogEPass())
		out.put(prefix+"log_e_block", monitor.LogEBlock())
		out.put(prefix+"lower", current.Lo)
		out.put(prefix+"upper", current.Hi)
		out.put(prefix+"running_lower", running.Lo)
		out.put(prefix+"running_upper", running.Hi)
	}
	stop := monitor.Stopped()
	out.put("stopped_early", stop > 0)
	if stop == 0 {
		stop = monitor.Steps()
	}
	out.put("stop_n", stop)
	out.put("anytime_p_pass", monitor.PPass())
	out.put("anytime_p_block", monitor.PBlock())
	out.put("samples_used", used)
	return monitor.Verdict(), nil
}
