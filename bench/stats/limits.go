package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// errBroken is returned when a measured error exceeds its limit by more than
// simulation can explain.
var errBroken = errors.New("an error rate exceeds its limit beyond simulation error")

// beyond is the number of standard errors that chance may explain.
const beyond = 3

// limit is a promise about one tally: at most this in every cell that it
// concerns, or at least this where least is set.
type limit struct {
	promise string
	tally   string
	bound   float64
	least   bool
	// of chooses the cells that the limit concerns.
	of func(d design) bool
}

// finding is what fresh runs of one cell said about a limit.
type finding struct {
	limit
	cell       string
	runs       int
	share, err float64
}

func (f finding) excess() float64 {
	if f.least {
		return f.bound - f.share
	}
	return f.share - f.bound
}

func (f finding) broken() bool { return f.excess() > beyond*f.err }

func (f finding) outcome() string {
	switch {
	case f.broken():
		return "BROKEN"
	case f.excess() > 0:
		return "within simulation error"
	default:
		return "holds"
	}
}

// section is what one measurement prints.
type section struct {
	tables []table
	broken bool
}

// checked adds the fate of the limits to a table.
func checked(s settings, stage uint64, first table, title string, truths []truth, designs []design, results []tally,
	limits []limit, run func(design, *rand.Rand, tally) error,
) (section, error) {
	found, err := recheck(s, stage, truths, designs, results, limits, run)
	if err != nil {
		return section{}, err
	}
	second, broken := limitsTable(title, found)
	return section{tables: []table{first, second}, broken: broken}, nil
}

// rechecked is the number of worst cells that are simulated again for a limit.
const rechecked = 4

// fresh moves the random numbers of the second stage away from the first.
const fresh = 100

// recheck simulates the cells that look worst again, with random numbers of
// their own and many more runs. The largest of many cells reads too high by
// chance; a cell that is chosen first and measured afterwards does not.
func recheck(s settings, stage uint64, truths []truth, designs []design, results []tally, limits []limit,
	run func(design, *rand.Rand, tally) error,
) ([]finding, error) {
	s.runs = s.fresh
	var chosen []design
	var found []finding
	for _, l := range limits {
		var cells []int
		for i, d := range designs {
			if l.of(d) {
				cells = append(cells, i)
			}
		}
		slices.SortStableFunc(cells, func(a, b int) int {
			if l.least {
				a, b = b, a
			}
			return cmp.Compare(results[b][l.tally], results[a][l.tally])
		})
		for _, i := range cells[:min(len(cells), rechecked)] {
			d := designs[i]
			chosen = append(chosen, d)
			found = append(found, finding{limit: l, cell: d.name(truths), runs: s.runs})
		}
	}
	again, err := simulate(s, fresh+stage, chosen, run)
	if err != nil {
		return nil, err
	}
	for i := range found {
		share := again[i][found[i].tally]
		found[i].share = share
		// Two more runs, one of each kind, keep the error of 0 and 1 above zero.
		n := float64(s.runs) + 2
		p := (share*float64(s.runs) + 1) / n
		found[i].err = math.Sqrt(p * (1 - p) / n)
	}
	return found, nil
}

func (d design) name(truths []truth) string {
	return fmt.Sprintf("%s, %d queries, %d repeats, ICC %g", truths[d.truth].name, d.n, d.k, d.icc)
}

// limitsTable prints findings and says whether one is broken.
func limitsTable(title string, found []finding) (table, bool) {
	out := table{
		title: title,
		note: fmt.Sprintf("The %d cells that looked worst above, simulated again with fresh random numbers, so that choosing them does not bias what is printed here. "+
			"A limit is broken if it is exceeded by more than %d standard errors of the simulation.", rechecked, beyond),
		header: []string{"limit", "cell", "runs", "share", "standard error", "limit at", "outcome"},
	}
	broken := false
	for _, f := range found {
		at := "at most "
		if f.least {
			at = "at least "
		}
		out.add(f.promise, f.cell, fmt.Sprint(f.runs), fmt.Sprintf("%.4f", f.share), fmt.Sprintf("%.4f", f.err), at+pct(f.bound), f.outcome())
		broken = broken || f.broken()
	}
	return out, broken
}

// expectedLargest is how far the largest of m equal cells reads too high on
// average, in standard errors: the mean of the largest of m standard normals.
func expectedLargest(m int) float64 {
	const step = 0.001
	var sum float64
	for x := -6.0; x < 6; x += step {
		density := math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)
		sum += x * float64(m) * density * math.Pow(phi(x), float64(m-1)) * step
	}
	return sum
}

// bias explains the largest of m shares of about .05 over s.runs runs.
func (s settings) bias(m int) string {
	err := standardError(s.runs)
	return fmt.Sprintf("A share of .050 has a standard error of %.4f, and the largest of %d such shares reads %.3f too high on average.", err, m, expectedLargest(m)*err)
}

// standardError is that of a share of .05.
func standardError(runs int) float64 { return math.Sqrt(0.05 * 0.95 / float64(runs)) }
