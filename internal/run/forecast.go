package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/planning"
)

// Bounds of a forecast's simulation, which has to be done within one call.
const (
	// MinForecastRuns and MaxForecastRuns bound the simulated runs of a scenario,
	// and DefaultForecastRuns is their number where the plan is not large.
	MinForecastRuns     = 100
	DefaultForecastRuns = 400
	MaxForecastRuns     = 2000
	// forecastEffort and givenRunsEffort are shared by the scenarios of a plan: a
	// few seconds on two cores, and twice that where the caller chose the runs.
	forecastEffort  = 3_000_000
	givenRunsEffort = 2 * forecastEffort
	// maxForecastSamples is the most repeats that can be simulated.
	maxForecastSamples = 100
)

// ForecastOptions are what a forecast supposes. Nil and zero fields take their
// defaults, those of package planning; rates are 0 by default.
type ForecastOptions struct {
	// Gate is a gate's id and Policy a policy; at most one is set, and the default
	// policy decides without either.
	Gate   string
	Policy *gate.Policy
	// Goal defaults to planning.GoalPass, Power to planning.DefaultPower.
	Goal  planning.Goal
	Power float64
	// Training to Excluded are the fields of planning.Truth. Faking defaults to
	// what Training exceeds Unmonitored by, at least 0.
	Training, Unmonitored, Faking, ICC, Correlation, Excluded *float64
	// InputTokens and OutputTokens are those of one prompt and one reply, by
	// default estimated from the plan.
	InputTokens, OutputTokens *float64
	// InputPrice and OutputPrice are prices of a million tokens, by default the
	// model's.
	InputPrice, OutputPrice *float64
	// Runs is the number of simulated runs of each scenario, MinForecastRuns to
	// MaxForecastRuns; by default DefaultForecastRuns, and fewer for large plans.
	Runs int
	// Seed defaults to 1.
	Seed uint64
}

// Forecast says what a run would take, and what it could show.
type Forecast struct {
	// PlannedSamples is the number of samples, each at least one model call.
	PlannedSamples int64
	// Queries is the number of queries that enter the gap.
	Queries int
	// Advice has a sentence for each doubt about what the plan can show.
	Advice []string
	// Usage is what the whole run takes.
	Usage ExpectedUsage
	// Options are what was supposed, with the defaults filled in; nil, like
	// Scenarios, when nothing was simulated.
	Options *ForecastOptions
	// Scenarios are in the plan's order.
	Scenarios []ScenarioForecast
}

// ScenarioForecast is what one scenario of a plan can show.
type ScenarioForecast struct {
	Scenario                ScenarioRef
	Queries, ControlQueries int
	Usage                   ExpectedUsage
	// Sampling are the parameters of generation of its samples, where the scenario
	// demands some; nil for those of the plan.
	Sampling *model.Sampling
	// Judgement is nil when the scenario was not simulated.
	Judgement *planning.Judgement
	// Notes are sentences on what to mind, those of Judgement included.
	Notes []string
}

// forecast says what a run of the schedule takes. Only with simulate it also says
// what the run could show; o may be nil.
func (s *Service) forecast(ctx context.Context, e Evaluation, schedule *Schedule, modelID string, o *ForecastOptions, simulate bool) (Forecast, error) {
	if o == nil {
		o = &ForecastOptions{}
	}
	if e.Plan.Stopping != nil && o.Gate == "" && o.Policy == nil {
		// What ends the run is what it is about, unless the caller says otherwise.
		with := *o
		with.Policy = &e.Plan.Stopping.Policy
		o = &with
	}
	resolved, err := s.resolve(ctx, e.Project, *o, modelID)
	if err != nil {
		return Forecast{}, err
	}
	f := Forecast{PlannedSamples: int64(schedule.Len()), Queries: schedule.Queries()}
	if f.Scenarios, err = schedule.expected(e.Plan, resolved); err != nil {
		return Forecast{}, err
	}
	usages := make([]ExpectedUsage, len(f.Scenarios))
	for i, sc := range f.Scenarios {
		usages[i] = sc.Usage
	}
	f.Usage = sumUsage(usages)
	f.Advice = adviceOn(*resolved.Policy, f.Scenarios)
	if !simulate {
		f.Scenarios = nil
		return f, nil
	}
	f.Options = &resolved
	// One at a time: a forecast uses every core that there is.
	select {
	case s.simulating <- struct{}{}:
		defer func() { <-s.simulating }()
	case <-ctx.Done():
		return Forecast{}, fmt.Errorf("wait for another forecast: %w", ctx.Err())
	}
	for i := range f.Scenarios {
		if err := f.Scenarios[i].judge(ctx, e.Plan, schedule, resolved, i); err != nil {
			return Forecast{}, err
		}
	}
	return f, nil
}

// adviceOn looks at the smallest scenario, since each is decided on its own.
func adviceOn(p gate.Policy, scenarios []ScenarioForecast) []string {
	least := math.MaxInt
	for _, sc := range scenarios {
		least = min(least, sc.Queries)
	}
	advice := p.Advice(least)
	for _, rule := range p.Rules {
		if rule.Scenario != "" && !slices.ContainsFunc(scenarios, func(sc ScenarioForecast) bool { return sc.Scenario.ID == rule.Scenario }) {
			advice = append(advice, fmt.Sprintf("rule %q concerns scenario %q, which is not in the plan, so the run can only be inconclusive", rule.ID, rule.Scenario))
		}
	}
	return advice
}

// judge simulates scenario i of the schedule, or notes why it is not simulated.
func (f *ScenarioForecast) judge(ctx context.Context, p Plan, schedule *Schedule, o ForecastOptions, i int) error {
	sc := schedule.scenarios[i]
	note := func(format string, args ...any) { f.Notes = append(f.Notes, fmt.Sprintf(format, args...)) }
	primary, ok := sc.Primary()
	effort := int64(forecastEffort)
	if o.Runs > 0 {
		effort = givenRunsEffort
	}
	effort /= int64(len(schedule.scenarios))
	most := planning.MostRuns(effort, f.Queries)
	switch {
	case !ok:
		note("the scenario has no primary contrast to decide")
	case f.Queries == 0:
		note("the plan has no query of the scenario that enters the estimates")
	case p.SamplesPerQuery > maxForecastSamples:
		note("not simulated: at most %d samples per query can be, and the plan has %d", maxForecastSamples, p.SamplesPerQuery)
	case !slices.ContainsFunc(o.Policy.Rules, func(r gate.Rule) bool {
		return (r.Scenario == "" || r.Scenario == sc.ID) && (r.Contrast == "" || r.Contrast == primary.ID)
	}):
		note("no rule of the policy concerns the scenario's primary contrast")
	case o.Runs > most && most >= MinForecastRuns:
		return Invalid("forecast.runs", "must be at most %d for this plan, got %d", most, o.Runs)
	case most < MinForecastRuns:
		note("not simulated: %d queries are more than a forecast may simulate; use unmask plan --queries %d", f.Queries, f.Queries)
	default:
		return f.simulate(ctx, o, planning.Request{
			Scenario: sc.ID, Contrast: primary.ID, Samples: p.SamplesPerQuery, Queries: f.Queries, Effort: effort,
			Stopping: p.Stopping != nil,
			Usage:    planning.Usage{Conditions: len(sc.Conditions), ControlQueries: f.ControlQueries},
		}, len(schedule.scenarios))
	}
	return nil
}

func (f *ScenarioForecast) simulate(ctx context.Context, o ForecastOptions, r planning.Request, scenarios int) error {
	r.Policy, r.Goal, r.Power, r.Seed, r.Truth = *o.Policy, o.Goal, o.Power, o.Seed, o.truth()
	r.MaxQueries, r.Workers = max(planning.DefaultMaxQueries, r.Queries), runtime.GOMAXPROCS(0)
	if r.Runs = o.Runs; r.Runs == 0 {
		r.Runs = min(max(planning.RunsToJudge(r.Effort, r.Queries), MinForecastRuns), DefaultForecastRuns)
	}
	j, err := planning.Judge(ctx, r)
	var bad *planning.InputError
	switch {
	case errors.As(err, &bad):
		return Invalid("forecast."+bad.Field, "%s", bad.Problem)
	case err != nil:
		return fmt.Errorf("forecast scenario %s: %w", f.Scenario.ID, err)
	}
	f.Judgement = &j
	f.Notes = append(f.Notes, j.Notes...)
	if scenarios > 1 {
		f.Notes = append(f.Notes, fmt.Sprintf("these are the chances of the scenario by itself; the run passes when all %d scenarios do, and blocks after a correction over all of them", scenarios))
	}
	return nil
}
