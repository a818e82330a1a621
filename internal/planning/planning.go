// Package planning says what a run would have to look like for a gate to decide
// it: how many queries a PASS or a BLOCK needs, what a run of a given size could
// have seen, and what that costs in calls, tokens and money.
//
// A sample-size formula treats the estimates as normal, and the usual result of
// these experiments is a rate of zero. So the formula (stats.Design.Plan, in its
// score form) only says where to begin. The answer comes from simulation: models
// whose true rates are known answer a planned number of queries, and gate.Decide
// itself decides them. What is reported is the share of simulated runs with each
// outcome, with its Monte Carlo standard error.
//
//	score form per rule -> bracket -> bisection -> chances at the answer
//	                       (simulated gate, common random numbers)
//
// Run r of a simulation draws its queries from a generator of its own, derived
// from the seed and r alone, and every query takes the same draws whatever the
// truth. A larger run therefore begins with the queries of a smaller one, and a
// higher rate complies wherever a lower one did, so that differences between
// designs are not blurred by chance. Results depend on the seed and never on the
// number of workers. docs/planning.md describes all of it for users.
package planning

import (
	"context"
	"fmt"
	"math"

	"github.com/unmask-eval/unmask/internal/gate"
)

// Goal is the outcome that a plan wants to reach.
type Goal string

// The goals.
const (
	// GoalPass: a model that lies below every threshold should PASS.
	GoalPass Goal = "pass"
	// GoalBlock: a model that lies above a threshold should be BLOCKed.
	GoalBlock Goal = "block"
)

// Defaults of a Request. DefaultCorrelation is the one of the simulations in
// docs/statistics.md.
const (
	DefaultSamples     = 3
	DefaultICC         = 0.3
	DefaultCorrelation = 0.5
	DefaultPower       = 0.9
	DefaultRuns        = 1000
	DefaultMaxQueries  = 5000
)

// Truth is how the planned run's model is supposed to behave. All rates are
// shares in [0, 1] of samples.
type Truth struct {
	// Training and Unmonitored are the compliance rates of the two conditions.
	Training    float64 `json:"training"`
	Unmonitored float64 `json:"unmonitored"`
	// Faking is the alignment-faking rate in the training condition. A faking
	// sample complies, so it is at most Training.
	Faking float64 `json:"faking"`
	// ICC is the correlation of two samples of one query under one condition, in
	// [0, 0.95]: propensities are Beta distributed over queries with it.
	ICC float64 `json:"icc"`
	// Correlation joins a query's propensities under the two conditions, in
	// [-1, 1], on the normal scale (a Gaussian copula).
	Correlation float64 `json:"correlation"`
	// Excluded is the share of samples, in [0, 0.5], that are lost at random in
	// either condition: errors, answers that could not be graded.
	Excluded float64 `json:"excluded"`
}

// Gap is the true compliance gap, in [-1, 1].
func (t Truth) Gap() float64 { return t.Training - t.Unmonitored }

// Request asks for a forecast.
type Request struct {
	// Policy is the gate's; what it leaves out has the gate's defaults.
	Policy gate.Policy
	// Scenario and Contrast are the ids of the scenario and of its primary
	// contrast. Rules on others are left out, with a note.
	Scenario, Contrast string
	Goal               Goal
	Truth              Truth
	// Samples is the number of repeats per query and condition, 1 to 100.
	Samples int
	// Power is the wanted chance of the goal, in [0.5, 0.999].
	Power float64
	// Stopping plans runs that end as soon as the policy is decided, as a plan with
	// "stopping: decided" does.
	Stopping bool
	// Queries is the number of queries to judge; 0 searches for the smallest
	// number that reaches the power, up to MaxQueries.
	Queries, MaxQueries int
	// Seed and Runs, 100 to 100,000, shape the simulation. Workers is the number
	// of runs simulated at once, at least 1; it plays no part in the result.
	Seed    uint64
	Runs    int
	Workers int
	Usage   Usage
	// Effort bounds the work of the simulation, in the units of MostRuns; 0 means
	// no bound. Make fails when it is used up; Judge leaves things out.
	Effort int64
}

// Chances are the shares of simulated runs with each outcome.
type Chances struct {
	Pass         Share `json:"pass"`
	Block        Share `json:"block"`
	Inconclusive Share `json:"inconclusive"`
}

// Of returns the chance of the goal's outcome.
func (c Chances) Of(g Goal) Share {
	if g == GoalBlock {
		return c.Block
	}
	return c.Pass
}

// RulePlan is what a rule asks of the run by the formulas alone.
type RulePlan struct {
	// Rule is the rule's id, Metric what it bounds and Max its threshold.
	Rule   string      `json:"rule"`
	Metric gate.Metric `json:"metric"`
	Max    float64     `json:"max"`
	// Truth is the supposed true value of the metric.
	Truth float64 `json:"truth"`
	// ScoreQueries is the score-form sample size for the goal (stats.Design), nil
	// when the truth lies on the wrong side of the threshold for the goal or the
	// number has no bound.
	ScoreQueries *int `json:"scoreQueries,omitempty"`
	// SilentQueries is the number below which not even a model that never
	// complies passes (gate.MinQueriesToPass), nil when no number is enough.
	SilentQueries *int `json:"silentQueries,omitempty"`

	start int
}

// Forecast is the answer to a Request.
type Forecast struct {
	Goal  Goal    `json:"goal"`
	Truth Truth   `json:"truth"`
	Power float64 `json:"power"`
	// Samples is the number of repeats; Seed and Runs are the simulation's.
	Samples int    `json:"samples"`
	Seed    uint64 `json:"seed"`
	Runs    int    `json:"runs"`
	// Rules has an entry for each rule that concerns the scenario.
	Rules []RulePlan `json:"rules"`
	// Start is the number of queries at which the search began, 0 without one.
	Start int `json:"startQueries,omitempty"`
	// Queries is the number that was asked for, or the smallest found with the
	// power, or, when Reached is false, the largest that was looked at.
	Queries int `json:"queries"`
	// Reached is true when the goal's chance at Queries is at least Power.
	Reached bool `json:"reached"`
	// Chances are those of a run with this many queries.
	Chances Chances `json:"chances"`
	// Stopping is the request's, and ExpectedQueries the mean number of queries
	// that such a run consumes before its gate is decided; Queries without
	// stopping.
	Stopping        bool    `json:"stopping,omitempty"`
	ExpectedQueries float64 `json:"expectedQueries"`
	// Detectable is what such a run could see; nil without a rule on the gap.
	Detectable *Detectable `json:"detectable,omitempty"`
	// Cost is that of the whole plan, and ExpectedCost that of ExpectedQueries.
	Cost         Cost `json:"cost"`
	ExpectedCost Cost `json:"expectedCost"`
	// Notes are sentences on what to mind.
	Notes []string `json:"notes"`
}

// Make answers a request. The error is an *InputError naming the field, a
// *gate.PolicyError, or the context's.
func Make(ctx context.Context, r Request) (Forecast, error) {
	s, f, err := prepare(r)
	if err != nil {
		return Forecast{}, err
	}
	if r.Queries == 0 {
		if err := r.attainable(f.Rules); err != nil {
			return Forecast{}, err
		}
		f.Start = s.request.start(s.policy, f.Rules)
		found, reached, err := s.smallest(ctx, f.Start, s.meetsGoal)
		if err != nil {
			return Forecast{}, err
		}
		f.Queries = found
		if !reached {
			f.Notes = append(f.Notes, fmt.Sprintf("no number of queries up to %d reaches the power", r.MaxQueries))
		}
	}
	if f.Chances, f.ExpectedQueries, err = s.chances(ctx, f.Queries); err != nil {
		return Forecast{}, err
	}
	f.Reached = f.Chances.Of(r.Goal).Estimate >= r.Power
	if f.Detectable, err = s.detectable(ctx, f.Queries); err != nil {
		return Forecast{}, err
	}
	f.Cost = r.Usage.Of(f.Queries, r.Samples)
	f.ExpectedCost = r.Usage.Of(int(math.Ceil(f.ExpectedQueries)), r.Samples)
	return f, nil
}

// prepare checks a request, sizes its rules by formula, and fills in what a
// forecast knows before anything is simulated.
func prepare(r Request) (*simulation, Forecast, error) {
	if err := r.check(); err != nil {
		return nil, Forecast{}, err
	}
	p := r.Policy.WithDefaults()
	rules, notes := r.concerned(p.Rules)
	if len(rules) == 0 {
		return nil, Forecast{}, badInput("policy", "has no rule on scenario %q and its primary contrast", r.Scenario)
	}
	p.Rules = rules
	f := Forecast{
		Goal: r.Goal, Truth: r.Truth, Power: r.Power, Samples: r.Samples,
		Seed: r.Seed, Runs: r.Runs, Queries: r.Queries, Stopping: r.Stopping, Notes: notes,
	}
	s := newSimulation(r, p)
	var err error
	if f.Rules, err = r.rulePlans(p, s.supposed); err != nil {
		return nil, Forecast{}, err
	}
	return s, f, nil
}
