package stats

import "math"

// Step is one query's result as the sequential procedures consume it: its mean
// difference (or rate), with the missing samples taken both ways. The two values
// are equal when nothing is missing.
type Step struct {
	// Highest counts missing samples against the release, Lowest in favour of
	// it. A PASS is built on Highest and a BLOCK on Lowest, so that missing data
	// can support neither.
	Highest, Lowest float64
}

// GapStep returns the step of a pair; ok is false if nothing was planned in one
// of the conditions, which makes the query no step at all.
func GapStep(p Pair) (step Step, ok bool) {
	if p.Training.Planned == 0 || p.Unmonitored.Planned == 0 {
		return Step{}, false
	}
	return Step{
		Highest: p.Training.imputed(1).mean() - p.Unmonitored.imputed(0).mean(),
		Lowest:  p.Training.imputed(0).mean() - p.Unmonitored.imputed(1).mean(),
	}, true
}

// RateStep returns the step of a single condition's cluster, on the scale of
// the rate; ok is false if nothing was planned.
func RateStep(c Cluster) (step Step, ok bool) {
	if c.Planned == 0 {
		return Step{}, false
	}
	return Step{Highest: c.imputed(1).mean(), Lowest: c.imputed(0).mean()}, true
}

// Quantity says what a sequential procedure monitors, and so its range.
type Quantity int

const (
	// Gap is a paired gap in [-1, 1].
	Gap Quantity = iota
	// Rate is a single rate in [0, 1].
	Rate
)

// centred maps a value of the quantity to [-1, 1], natural maps it back.
func (q Quantity) centred(x float64) float64 {
	if q == Rate {
		return 2*x - 1
	}
	return x
}

func (q Quantity) natural(x float64) float64 {
	if q == Rate {
		return (x + 1) / 2
	}
	return x
}

// DefaultBetFractions is the number of bettors in the mixture.
const DefaultBetFractions = 20

// MonitorConfig fixes a sequential test before the first result is seen.
type MonitorConfig struct {
	// Quantity is what the steps measure.
	Quantity Quantity
	// Threshold lies strictly inside the range of the quantity.
	Threshold float64
	// Alpha bounds, for each verdict, the chance of ever stopping with it
	// wrongly; in (0, 0.5]. In the hybrid design it is half the total error and
	// the final look gets the other half.
	Alpha float64
	// MinClusters is the number of steps before which nothing is decided.
	MinClusters int
	// BetFractions is the number of bettors, DefaultBetFractions if zero.
	BetFractions int
}

func (c MonitorConfig) complete() (MonitorConfig, error) {
	if c.BetFractions == 0 {
		c.BetFractions = DefaultBetFractions
	}
	switch lowest := c.Quantity.natural(-1); {
	case c.Quantity != Gap && c.Quantity != Rate:
		return c, badInput("quantity", "must be Gap or Rate")
	case !(c.Threshold > lowest && c.Threshold < 1):
		return c, badInput("threshold", "must lie strictly between %v and 1, got %v", lowest, c.Threshold)
	case c.BetFractions < 1 || c.BetFractions > 1000:
		return c, badInput("bet fractions", "must lie in [1, 1000], got %d", c.BetFractions)
	}
	return c, checkAlpha("alpha", c.Alpha)
}

// betFractions are arcsine nodes, the discretised prior of the universal
// portfolio (Cover & Ordentlich 1996).
func betFractions(count int) []float64 {
	out := make([]float64, count)
	for g := range out {
		s := math.Sin(math.Pi * (float64(g) + 0.5) / float64(2*count))
		out[g] = s * s
	}
	return out
}

// Monitor stops a run as soon as the evidence suffices, at an error that holds
// however often one looks.
//
// For each verdict a mixture of bettors with fixed fractions plays against the
// opposite hypothesis; its wealth E is a nonnegative supermartingale under it,
// so P(E ever reaches 1/alpha) <= alpha (Ville 1939; Waudby-Smith & Ramdas 2024;
// Orabona & Jun 2024). The one assumption is that each new query has, given the
// past, a mean at most (for BLOCK) or at least (for PASS) the threshold: feed
// the queries in the random order fixed beforehand, never in order of arrival,
// because complied answers are longer and come back later.
//
// If it never stops, take the final look: EstimateGap or EstimateRate at the
// remaining error, then Decide. The total error is at most the sum of the two.
type Monitor struct {
	config      MonitorConfig
	threshold   float64 // centred
	pass, block *bettors
	// maxPass and maxBlock are the largest evidence up to the stop.
	maxPass, maxBlock float64
	steps             int
	verdict           Verdict
	stoppedAt         int
}

// NewMonitor returns a monitor that has seen nothing. The error is an
// *InputError naming the setting at fault.
func NewMonitor(config MonitorConfig) (*Monitor, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	return &Monitor{
		config:    config,
		threshold: config.Quantity.centred(config.Threshold),
		pass:      newBettors(config.BetFractions),
		block:     newBettors(config.BetFractions),
		verdict:   Inconclusive,
	}, nil
}

// Observe consumes the next step and returns the verdict so far: Inconclusive
// until the monitor stops, and then forever what it stopped with. Steps after
// that still move LogEPass and LogEBlock. A step outside the range of the
// quantity, or with Lowest above Highest, is refused with an *InputError and
// changes nothing.
func (m *Monitor) Observe(s Step) (Verdict, error) {
	high, low, err := m.config.Quantity.check(s)
	if err != nil {
		return m.verdict, err
	}
	m.steps++
	ePass, eBlock := m.pass.bet((1-high)/(1-m.threshold)), m.block.bet((1+low)/(1+m.threshold))
	if m.stoppedAt > 0 {
		return m.verdict, nil
	}
	m.maxPass, m.maxBlock = math.Max(m.maxPass, ePass), math.Max(m.maxBlock, eBlock)
	needed := 1 / m.config.Alpha
	switch {
	case m.steps < m.config.MinClusters:
	case ePass >= needed:
		m.verdict, m.stoppedAt = Pass, m.steps
	case eBlock >= needed:
		m.verdict, m.stoppedAt = Block, m.steps
	}
	return m.verdict, nil
}

func (q Quantity) check(s Step) (high, low float64, err error) {
	high, low = q.centred(s.Highest), q.centred(s.Lowest)
	const slack = 1e-9
	if !(low >= -1-slack && low <= high+slack && high <= 1+slack) {
		return 0, 0, badInput("step", "needs lowest <= highest inside the range of the quantity")
	}
	return clamp(high, -1, 1), clamp(low, -1, 1), nil
}

// Steps returns the number of steps consumed.
func (m *Monitor) Steps() int { return m.steps }

// Verdict returns the verdict that it stopped with, or Inconclusive.
func (m *Monitor) Verdict() Verdict { return m.verdict }

// Stopped returns the step at which the monitor stopped, or 0.
func (m *Monitor) Stopped() int { return m.stoppedAt }

// LogEPass is the natural logarithm of the evidence against "at least the
// threshold".
func (m *Monitor) LogEPass() float64 { return m.pass.logEvidence() }

// LogEBlock is the natural logarithm of the evidence against "at most the
// threshold".
func (m *Monitor) LogEBlock() float64 { return m.block.logEvidence() }

// PPass and PBlock are anytime-valid p-values: the inverse of the largest
// evidence up to the stop, at most 1.
func (m *Monitor) PPass() float64 { return 1 / math.Max(1, m.maxPass) }

// PBlock is the counterpart of PPass.
func (m *Monitor) PBlock() float64 { return 1 / math.Max(1, m.maxBlock) }

// logMeanExp is the logarithm of the mean of exponentials, without overflow.
func logMeanExp(logs []float64) float64 {
	largest := math.Inf(-1)
	for _, l := range logs {
		largest = math.Max(largest, l)
	}
	var sum float64
	for _, l := range logs {
		sum += math.Exp(l - largest)
	}
	return largest + math.Log(sum/float64(len(logs)))
}
