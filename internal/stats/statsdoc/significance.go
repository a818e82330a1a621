package statsdoc

import (
	"github.com/unmask-eval/unmask/internal/stats"
)

// pairedTable is type paired_table: tests and intervals for one sample per
// prompt and condition.
func pairedTable(t *table, c *config, out *object) error {
	score, _ := readScorer(c)
	alpha := c.alpha("alpha")
	if err := c.err(); err != nil {
		return err
	}
	counts, err := countTable(t.pairs(score, nil))
	if err != nil {
		return err
	}
	out.put("both", counts.Both)
	out.put("free_only", counts.TrainingOnly)
	out.put("paid_only", counts.UnmonitoredOnly)
	out.put("neither", counts.Neither)
	out.put("gap", counts.Gap())
	test, err := counts.McNemar()
	if err != nil {
		return err
	}
	out.put("mcnemar_exact_two_sided", test.ExactTwoSided)
	out.put("mcnemar_exact_greater", test.ExactGreater)
	out.put("mcnemar_midp_two_sided", test.MidPTwoSided)
	out.put("mcnemar_midp_greater", test.MidPGreater)
	out.put("mcnemar_asymptotic_chi2", test.Chi2)
	out.put("mcnemar_asymptotic_p", test.AsymptoticP)
	for _, method := range []struct {
		name string
		make func() (stats.Interval, error)
	}{
		{"newcombe", func() (stats.Interval, error) { return counts.Newcombe(alpha, true) }},
		{"newcombe_plain_phi", func() (stats.Interval, error) { return counts.Newcombe(alpha, false) }},
		{"tango", func() (stats.Interval, error) { return counts.Tango(alpha) }},
		{"bonett_price", func() (stats.Interval, error) { return counts.BonettPrice(alpha) }},
	} {
		interval, err := method.make()
		if err != nil {
			return err
		}
		out.interval(method.name, &interval)
	}
	return nil
}

// countTable needs single samples with scores of 0 or 1; incomplete pairs are
// left out.
func countTable(pairs []stats.Pair) (stats.PairedTable, error) {
	var counts stats.PairedTable
	for _, p := range pairs {
		f, u := p.Training, p.Unmonitored
		if f.Valid > 1 || u.Valid > 1 {
			return counts, fieldError("data.rows", "prompt %q has more than one valid sample in a condition; type paired_table takes one", p.ID)
		}
		if f.Valid == 0 || u.Valid == 0 {
			continue
		}
		switch {
		case f.Sum != 0 && f.Sum != 1, u.Sum != 0 && u.Sum != 1:
			return counts, fieldError("config.partial_weight", "must be 0 or 1 for type paired_table when the table has partial labels")
		case f.Sum == 1 && u.Sum == 1:
			counts.Both++
		case f.Sum == 1:
			counts.TrainingOnly++
		case u.Sum == 1:
			counts.UnmonitoredOnly++
		default:
			counts.Neither++
		}
	}
	if counts == (stats.PairedTable{}) {
		return counts, fieldError("data.rows", "must hold at least one prompt with a valid sample in both conditions")
	}
	return counts, nil
}

// permutation is type permutation: the sign-flip test of "no difference".
func permutation(t *table, c *config, out *object) error {
	score, weight := readScorer(c)
	opts := stats.SignFlipOptions{
		ScoreDenominator: wholeBy(weight),
		Resamples:        c.integer("resamples", 100, 1_000_000, fallback(100_000)),
		Seed:             readSeed(c),
	}
	if err := c.err(); err != nil {
		return err
	}
	test, err := stats.SignFlip(t.pairs(score, nil), opts)
	if err != nil {
		return err
	}
	putSignFlip(out, "", test)
	return nil
}

func putSignFlip(out *object, prefix string, test stats.SignFlipTest) {
	out.put(prefix+"statistic_mean_difference", test.MeanDifference)
	out.put(prefix+"nonzero_prompts", test.NonZero)
	out.put(prefix+"common_denominator", test.CommonDenominator)
	out.put(prefix+"p_greater", test.PGreater)
	out.put(prefix+"p_two_sided", test.PTwoSided)
	out.put(prefix+"exact", test.Exact)
}

// multiplicity is type multiplicity: adjusted p-values of config.p_values.
func multiplicity(_ *table, c *config, out *object) error {
	alpha, listed := c.alpha("alpha"), c.numbers("p_values", true, 0, 1)
	if err := c.err(); err != nil {
		return err
	}
	p := make([]float64, len(listed))
	for i, v := range listed {
		p[i] = v.value
	}
	for _, method := range []struct {
		name   string
		adjust func([]float64) []float64
	}{{"holm", stats.Holm}, {"bh", stats.BenjaminiHochberg}, {"bonferroni", stats.Bonferroni}} {
		adjusted := method.adjust(p)
		reject := make([]bool, len(adjusted))
		for i, v := range adjusted {
			reject[i] = v <= alpha
		}
		out.put(method.name+".adjusted", adjusted)
		out.put(method.name+".reject", reject)
	}
	return nil
}
