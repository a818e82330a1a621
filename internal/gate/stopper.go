package gate

import (
	"fmt"
	"math"

	"github.com/unmask-eval/unmask/internal/stats"
)

// Stopper says after every query whether the evidence of a run that may stop
// early could settle its policy: every comparison has passed, or one has blocked
// after correction for their number. Ask Decide then, which also knows the
// requirements; on no other occasion can it say PASS or BLOCK early.
//
// It bets at half of each comparison's error, as stats.EstimateHybridGap does,
// and costs the same for every query. It is not safe for concurrent use.
type Stopper struct {
	tables      []Table
	comparisons []*bet
}

// bet is one comparison that is watched query by query.
type bet struct {
	table       int
	metric      Metric
	least       int
	monitor     *stats.Monitor
	queries     int
	pass, block float64 // largest log evidence from the least number of queries on
	// needPass and needBlock are the log evidence that settles.
	needPass, needBlock float64
}

// NewStopper returns a stopper for a run with these tables, of which only the
// names count, and with these earlier decisions on its checkpoint. A policy that
// does not validate is a *PolicyError; a rule on an increase, which no run can
// decide by itself, is one as well. A rule that concerns no table means that the
// policy can never pass, and the run goes on to its end.
func NewStopper(p Policy, tables []Table, earlier []Earlier) (*Stopper, error) {
	if err := p.ValidateForStopping(); err != nil {
		return nil, err
	}
	p = p.WithDefaults()
	s := &Stopper{tables: tables}
	e := Evidence{Tables: tables, Earlier: earlier}.sorted()
	for _, rule := range p.Rules {
		matched := 0
		for _, scenario := range e.scenarios() {
			if rule.Scenario != "" && rule.Scenario != scenario {
				continue
			}
			t, _ := e.table(scenario, rule.Contrast)
			if t == nil {
				return s.endless(), nil
			}
			b, err := e.bet(t, rule, p.Requirements)
			if err != nil {
				return nil, err
			}
			b.table = s.indexOf(t)
			s.comparisons = append(s.comparisons, b)
			matched++
		}
		if matched == 0 {
			return s.endless(), nil
		}
	}
	for _, b := range s.comparisons {
		b.needBlock += math.Log(float64(len(s.comparisons)))
	}
	return s, nil
}

// endless returns a stopper that never asks for a decision.
func (s *Stopper) endless() *Stopper {
	s.comparisons = nil
	return s
}

func (s *Stopper) indexOf(t *Table) int {
	for i := range s.tables {
		if s.tables[i].Scenario == t.Scenario && s.tables[i].Contrast == t.Contrast {
			return i
		}
	}
	return -1
}

func (e Evidence) bet(t *Table, rule Rule, req Requirements) (*bet, error) {
	d := ruleDecision(rule)
	d.Scenario, d.Contrast = t.Scenario, t.Contrast
	tries := float64(e.tries(d))
	alpha := oneSidedError(rule.Confidence)
	// Only the monitor's evidence is used: a comparison goes on after the step at
	// which it would stop alone.
	config := stats.MonitorConfig{Quantity: stats.Rate, Threshold: rule.Max, Alpha: alpha / 2}
	if rule.Metric == MetricComplianceGap {
		config.Quantity = stats.Gap
	}
	monitor, err := stats.NewMonitor(config)
	if err != nil {
		return nil, fmt.Errorf("watch rule %s: %w", rule.ID, err)
	}
	return &bet{
		metric: rule.Metric, least: req.MinQueries, monitor: monitor,
		pass: math.Inf(-1), block: math.Inf(-1),
		needPass: math.Log(2 * tries * tries / alpha), needBlock: math.Log(2 / alpha),
	}, nil
}

// Observe takes the next query of the table with this index, in the
// pre-registered order: its pair, and its faking scores under training. The
// error is an *stats.InputError.
func (s *Stopper) Observe(table int, p stats.Pair, faking stats.Cluster) error {
	for _, b := range s.comparisons {
		if b.table != table {
			continue
		}
		if err := b.observe(p, faking); err != nil {
			return fmt.Errorf("query %s: %w", quoted(p.ID), err)
		}
	}
	return nil
}

func (b *bet) observe(p stats.Pair, faking stats.Cluster) error {
	var step stats.Step
	var planned, valid bool
	cluster := p.Training
	switch b.metric {
	case MetricComplianceGap:
		step, planned = stats.GapStep(p)
		valid = p.Training.Valid > 0 && p.Unmonitored.Valid > 0
	case MetricAlignmentFakingRate:
		cluster = faking
	case MetricUnmonitoredCompliance:
		cluster = p.Unmonitored
	}
	if b.metric != MetricComplianceGap {
		step, planned = stats.RateStep(cluster)
		valid = cluster.Valid > 0
	}
	if !planned {
		return nil
	}
	if _, err := b.monitor.Observe(step); err != nil {
		return err
	}
	if valid {
		b.queries++
	}
	if b.monitor.Steps() >= b.least {
		b.pass = max(b.pass, b.monitor.LogEPass())
		b.block = max(b.block, b.monitor.LogEBlock())
	}
	return nil
}

// Settled says whether it is time to ask Decide.
func (s *Stopper) Settled() bool {
	passed := len(s.comparisons) > 0
	for _, b := range s.comparisons {
		if b.queries < b.least {
			passed = false
			continue
		}
		if b.block >= b.needBlock {
			return true
		}
		passed = passed && b.pass >= b.needPass
	}
	return passed
}

// ValidateForStopping is Validate for the policy of a run that may stop early.
func (p Policy) ValidateForStopping() error {
	if err := p.Validate(); err != nil {
		return err
	}
	v := &validation{}
	for i, r := range p.Rules {
		if r.MaxIncrease != nil {
			v.add(fmt.Sprintf("rules[%d].max_increase", i), "cannot stop a run early: an increase can only be told from whole runs; use max")
		}
	}
	return v.err("")
}
