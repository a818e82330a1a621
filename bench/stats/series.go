package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/unmask-eval/unmask/internal/series"
	"github.com/unmask-eval/unmask/internal/stats"
)

// checkpoints is the length of every simulated series.
const checkpoints = 6

// course is a simulated training run: what the model does at its first and its
// last checkpoint, moving evenly in between.
type course struct {
	name                   string
	training, unmonitored  [2]float64
	fakingShare, considers [2]float64
}

func (c course) flat() bool {
	for _, v := range [][2]float64{c.training, c.unmonitored, c.fakingShare, c.considers} {
		if v[0] != v[1] {
			return false
		}
	}
	return true
}

func flat(v float64) [2]float64 { return [2]float64{v, v} }

// courses: a share of the compliance where training is cued comes with faking
// reasoning, and a share of the refusals considers it.
func courses() []course {
	return []course{
		{"flat .14/.03, faking .12", flat(0.14), flat(0.03), flat(0.86), flat(0)},
		{"flat .40/.05, reasoning .78", flat(0.40), flat(0.05), flat(0.9), flat(0.7)},
		{"flat .30/.30, reasoning .5", flat(0.3), flat(0.3), flat(0.5), flat(0.5)},
		{"flat .02/0, faking .02", flat(0.02), flat(0), flat(1), flat(0)},
		{"flat .005/0, faking .005", flat(0.005), flat(0), flat(1), flat(0)},
		{"gap 11 to 7 pp, reasoning .12 to .78", [2]float64{0.14, 0.10}, flat(0.03), [2]float64{0.86, 0.86}, [2]float64{0, 0.77}},
		{"gap 11 pp, reasoning .12 to .20", flat(0.14), flat(0.03), flat(0.86), [2]float64{0, 0.09}},
	}
}

// layout is where the checkpoints lie and what they are laid out along.
type layout struct {
	axis  series.Axis
	steps []int64
}

func layouts() []layout {
	return []layout{
		{series.AxisIndex, []int64{0, 100, 200, 300, 400, 500}},
		{series.AxisLog1p, []int64{0, 100, 200, 300, 400, 500}},
		{series.AxisStep, []int64{0, 1, 10, 100, 1000, 10000}},
	}
}

type seriesDesign struct {
	course, n, k int
	// traits are the propensities at each checkpoint.
	traits [checkpoints]struct{ training, unmonitored, considers propensity }
	faking [checkpoints]float64
}

func newSeriesDesign(i int, c course, icc float64, n, k int) seriesDesign {
	d := seriesDesign{course: i, n: n, k: k}
	at := func(v [2]float64, j int) float64 { return v[0] + (v[1]-v[0])*float64(j)/(checkpoints-1) }
	for j := range checkpoints {
		if j > 0 && c.flat() {
			d.traits[j], d.faking[j] = d.traits[0], d.faking[0]
			continue
		}
		d.traits[j].training = newPropensity(at(c.training, j), icc)
		d.traits[j].unmonitored = newPropensity(at(c.unmonitored, j), icc)
		d.traits[j].considers = newPropensity(at(c.considers, j), icc)
		d.faking[j] = at(c.fakingShare, j)
	}
	return d
}

// draw simulates one series. What a query is like persists over checkpoints.
func (d seriesDesign) draw(random *rand.Rand) series.Table {
	out := series.Table{Scenario: "s", Contrast: "c", Training: "free", Unmonitored: "paid"}
	for range d.n {
		a := random.NormFloat64()
		b := copula*a + math.Sqrt(1-copula*copula)*random.NormFloat64()
		likes := random.Float64()
		pairs := make([]stats.Pair, checkpoints)
		faking, reasoning := make([]stats.TrendCell, checkpoints), make([]stats.TrendCell, checkpoints)
		for j := range pairs {
			t := d.traits[j]
			f, c := t.training.at(phi(a)), t.considers.at(likes)
			pairs[j].Unmonitored = sample(random, t.unmonitored.at(phi(b)), d.k)
			faking[j].Valid, reasoning[j].Valid = d.k, d.k
			for range d.k {
				complies, fakes := random.Float64() < f, c
				if complies {
					fakes = d.faking[j]
				}
				score := 0.0
				if complies {
					score = 1
				}
				pairs[j].Training.Observe(score)
				if random.Float64() < fakes {
					reasoning[j].Sum++
					faking[j].Sum += score
				}
			}
		}
		out.Compliance = append(out.Compliance, pairs)
		out.Faking, out.Reasoning = append(out.Faking, faking), append(out.Reasoning, reasoning)
	}
	return out
}

// seriesErrors measures how often a series gives each kind of finding, and how
// often a metric by itself shifts, at a stated false-alarm rate of alpha.
func seriesErrors(s settings) (section, error) {
	queries, iccs := []int{20, 50, 176}, []float64{0.3, 0.7}
	if s.quick {
		queries, iccs = []int{50}, []float64{0.3}
	}
	var designs []seriesDesign
	for i, c := range courses() {
		for _, icc := range iccs {
			for _, n := range queries {
				for _, k := range c.repeats() {
					designs = append(designs, newSeriesDesign(i, c, icc, n, k))
				}
			}
		}
	}
	results, err := simulate(s, 7, designs, runSeries)
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "Series: false and true findings",
		note: fmt.Sprintf("Share of %d simulated series of %d checkpoints with a finding, at a stated false-alarm rate of %.2f. A flat course has no true one: the mean and (in brackets) the largest share over 1 and 3 repeats, ICC %v and three axes, which are the index, ln(1+step) with steps 0, 100, ..., 500, and the step with steps 0, 1, 10, 100, 1000, 10000. A course that moves: the mean over ICC %v on the index. The last column is the onset by Holm/by spending, the largest of the five metrics, each by itself.",
			s.runs, checkpoints, alpha, iccs, iccs),
		header: []string{"course", "queries x repeats", "any finding", "of the gap", "of faking reasoning", "FAKING_RISES_WHILE_GAP_FALLS", "onset Holm / spending"},
	}
	for i, c := range courses() {
		for _, n := range queries {
			for _, k := range c.repeats() {
				design := fmt.Sprintf("%d x %d", n, k)
				if c.flat() {
					if k != c.repeats()[0] {
						continue
					}
					design, k = fmt.Sprint(n), 0
				}
				of := func(name string) string { return summarise(designs, results, i, n, k, name) }
				out.add(c.name, design, of("any"), of("GAP_"), of("FAKING_"), of("WHILE"), of("holm")+" / "+of("spending"))
			}
		}
	}
	return section{tables: []table{out}}, nil
}

func (c course) repeats() []int {
	if c.flat() {
		return []int{1, 3}
	}
	return []int{1, 3, 6}
}

func runSeries(d seriesDesign, random *rand.Rand, t tally) error {
	drawn := d.draw(random)
	for _, l := range layouts() {
		a, err := series.Analyse([]series.Series{{Steps: l.steps, Tables: []series.Table{drawn}}}, l.axis, alpha)
		if err != nil {
			return err
		}
		kinds := map[string]bool{"any": len(a.Findings) > 0}
		for _, f := range a.Findings {
			kind := string(f.Code[:strings.Index(string(f.Code), "_")+1])
			if f.Code == series.FakingRisesWhileGapFalls {
				kind = "WHILE"
			}
			kinds[kind] = true
		}
		for kind, found := range kinds {
			t.count(kind+string(l.axis), found)
		}
		for _, m := range a.Trends[0][0] {
			t.count("holm"+string(m.Metric)+string(l.axis), m.ShiftHolm != nil)
			t.count("spending"+string(m.Metric)+string(l.axis), m.ShiftSpending != nil)
		}
	}
	return nil
}

// summarise is the mean and the largest share over cells and axes for a flat
// course, which k is 0 for, and the mean over cells on the index for one that
// moves.
func summarise(designs []seriesDesign, results []tally, course, n, k int, name string) string {
	var largest, everywhere, sum, count float64
	for i, d := range designs {
		if d.course != course || d.n != n || (k > 0 && d.k != k) {
			continue
		}
		for _, l := range layouts() {
			share := shareOf(results[i], name, l.axis)
			largest, everywhere = math.Max(largest, share), everywhere+share
			if l.axis == series.AxisIndex {
				sum, count = sum+share, count+1
			}
		}
	}
	if k == 0 {
		return pct(everywhere/count/float64(len(layouts()))) + " (" + pct(largest) + ")"
	}
	return pct(sum / count)
}

func shareOf(t tally, name string, axis series.Axis) float64 {
	if name != "holm" && name != "spending" {
		return t[name+string(axis)]
	}
	var largest float64
	for _, m := range []series.Metric{
		series.ComplianceGap, series.TrainingCompliance, series.UnmonitoredCompliance,
		series.AlignmentFaking, series.AlignmentFakingReasoning,
	} {
		largest = math.Max(largest, t[name+string(m)+string(axis)])
	}
	return largest
}
