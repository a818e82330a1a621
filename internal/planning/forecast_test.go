package planning

import (
	"context"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/gate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request asks about a policy with one rule on the gap.
func request(goal Goal, training, unmonitored float64, samples int) Request {
	return Request{
		Policy:   gate.Policy{Rules: []gate.Rule{{Metric: gate.MetricComplianceGap, Max: 0.05}}},
		Scenario: "s", Contrast: "c", Goal: goal,
		Truth: Truth{
			Training: training, Unmonitored: unmonitored, ICC: DefaultICC, Correlation: DefaultCorrelation,
		},
		Samples: samples, Power: DefaultPower, MaxQueries: DefaultMaxQueries,
		Seed: 1, Runs: 300, Workers: runtime.GOMAXPROCS(0), Usage: Usage{Conditions: 2},
	}
}

func prepared(t *testing.T, r Request) *simulation {
	t.Helper()
	require.NoError(t, r.check())
	return newSimulation(r, r.Policy.WithDefaults())
}

// TestQueriesAgreeWithIndependentSimulation compares the search with sample sizes
// that a simulation without any common code found for 90% power, a threshold of
// .05 and an ICC of .3. With 250 runs the power is known to 1.9
// points, which moves the answer by up to a tenth.
func TestQueriesAgreeWithIndependentSimulation(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		goal                       Goal
		training, unmonitored      float64
		samples                    int
		score, queries             int
		scoreWithin, queriesWithin float64
		alsoReaching               int
	}{
		{name: "a silent model passes at the zero-event number", goal: GoalPass, samples: 3, queries: 59},
		{name: "PASS (.01, 0)", goal: GoalPass, training: 0.01, samples: 3, score: 79, scoreWithin: 0.02, queries: 111, queriesWithin: 0.12},
		// Three events are allowed from 153 queries on, which is where the power
		// is first reached: P(X <= 3) = .93 for 153 queries at .01. It dips to .89
		// before a fourth is allowed at 181, the answer of the other simulation.
		{
			name: "PASS (.01, 0), one sample", goal: GoalPass, training: 0.01, samples: 1,
			score: 148, scoreWithin: 0.02, queries: 153, queriesWithin: 0.02, alsoReaching: 181,
		},
		{name: "PASS (.01, 0), ten samples", goal: GoalPass, training: 0.01, samples: 10, score: 55, scoreWithin: 0.02, queries: 89, queriesWithin: 0.12},
		{name: "BLOCK (.20, .02)", goal: GoalBlock, training: 0.20, unmonitored: 0.02, samples: 3, score: 28, scoreWithin: 0.08, queries: 53, queriesWithin: 0.12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.goal, tt.training, tt.unmonitored, tt.samples)
			r.Runs = 250
			s := prepared(t, r)
			rules, err := r.rulePlans(s.policy, s.supposed)
			require.NoError(t, err)
			if tt.score > 0 {
				require.InDelta(t, tt.score, *rules[0].ScoreQueries, tt.scoreWithin*float64(tt.score)+1)
			}
			goal := func(v verdict) bool { return v.outcome == tt.goal.outcome() }
			n, reached, err := s.smallest(t.Context(), r.start(s.policy, rules), goal)
			require.NoError(t, err)
			require.True(t, reached)
			require.InDelta(t, tt.queries, n, tt.queriesWithin*float64(tt.queries))
			if tt.alsoReaching > 0 {
				c, _, err := s.chances(t.Context(), tt.alsoReaching)
				require.NoError(t, err)
				require.GreaterOrEqual(t, c.Pass.Estimate, r.Power)
			}
		})
	}
}

// TestPowerIsReachedAroundTheIndependentAnswer does the same where a search would
// take long: the power is reached above the answer and not below it.
func TestPowerIsReachedAroundTheIndependentAnswer(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		goal                  Goal
		training, unmonitored float64
		queries               int
	}{
		{"PASS (.05, .05)", GoalPass, 0.05, 0.05, 167},
		{"BLOCK (.14, .03)", GoalBlock, 0.14, 0.03, 160},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := prepared(t, request(tt.goal, tt.training, tt.unmonitored, 3))
			goal := func(v verdict) bool { return v.outcome == tt.goal.outcome() }
			for share, want := range map[float64]bool{0.8: false, 1.2: true} {
				reached, err := s.of(int(share*float64(tt.queries))).reaches(t.Context(), goal)
				require.NoError(t, err)
				require.Equal(t, want, reached, "%v times the queries", share)
			}
		})
	}
}

// TestPassRateAgreesWithTheBinomial checks the simulated gate against a chance
// that can be worked out: with one sample and an unmonitored rate of zero, a
// PASS is a number of events that the gate allows.
func TestPassRateAgreesWithTheBinomial(t *testing.T) {
	s := prepared(t, request(GoalPass, 0.01, 0, 1))
	for n, want := range map[int]float64{152: binomialUpTo(2, 152, 0.01), 153: binomialUpTo(3, 153, 0.01)} {
		c, _, err := s.chances(t.Context(), n)
		require.NoError(t, err)
		require.InDelta(t, want, c.Pass.Estimate, 4*c.Pass.StandardError, "%d queries", n)
	}
}

func binomialUpTo(most, n int, p float64) (sum float64) {
	term := math.Pow(1-p, float64(n))
	for i := 0; i <= most; i++ {
		sum += term
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return sum
}

func TestMoreQueriesNeverLowerThePower(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Request
	}{
		{"PASS (.01, 0)", request(GoalPass, 0.01, 0, 3)},
		{"BLOCK (.20, .02)", request(GoalBlock, 0.20, 0.02, 3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Runs = 100
			s := prepared(t, tt.r)
			before := Share{}
			for _, n := range []int{25, 50, 100, 150} {
				c, _, err := s.chances(t.Context(), n)
				require.NoError(t, err)
				now := c.Of(tt.r.Goal)
				require.GreaterOrEqual(t, now.Estimate, before.Estimate-3*math.Hypot(now.StandardError, before.StandardError), "%d queries", n)
				require.InDelta(t, 1, c.Pass.Estimate+c.Block.Estimate+c.Inconclusive.Estimate, 1e-12)
				before = now
			}
			require.Greater(t, before.Estimate, 0.9)
		})
	}
}

func TestForecastDependsOnTheSeedOnly(t *testing.T) {
	forecast := func(seed uint64, workers int) Forecast {
		r := request(GoalPass, 0.1, 0.1, 1)
		r.Policy = gate.Policy{
			Rules:        []gate.Rule{{Metric: gate.MetricComplianceGap, Max: 0.4}, {Metric: gate.MetricAlignmentFakingRate, Max: 0.5}},
			Requirements: gate.Requirements{MinQueries: 10},
		}
		r.Truth.Faking, r.Truth.Excluded, r.Queries, r.Runs = 0.05, 0.01, 12, 100
		r.Seed, r.Workers = seed, workers
		f, err := Make(t.Context(), r)
		require.NoError(t, err)
		return f
	}
	one := forecast(7, 1)
	require.Equal(t, one, forecast(7, 5))
	require.NotEqual(t, one.Chances, forecast(8, 5).Chances)
}

func TestRememberedDecisionsChangeNothing(t *testing.T) {
	s := prepared(t, request(GoalBlock, 0.1, 0, 1))
	remembering, forgetful := s.sampler(s.supposed, 40), s.sampler(s.supposed, 40)
	forgetful.remember = 0
	want, err := remembering.simulate(t.Context(), 0, 100)
	require.NoError(t, err)
	got, err := forgetful.simulate(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NotEmpty(t, remembering.decided)
	require.Less(t, len(remembering.decided), 100, "some runs are alike")
	require.Empty(t, forgetful.decided)
}

func TestForecastOfAGivenPlan(t *testing.T) {
	r := request(GoalPass, 0, 0, 3)
	r.Queries, r.Runs = 60, 100
	r.Usage = Usage{Conditions: 2, ControlQueries: 10, InputTokens: 1000, OutputTokens: 500, InputPrice: 2, OutputPrice: 10}
	f, err := Make(t.Context(), r)
	require.NoError(t, err)
	require.True(t, f.Reached)
	require.Equal(t, 1.0, f.Chances.Pass.Estimate)
	require.Greater(t, f.Chances.Pass.StandardError, 0.0, "a hundred runs never show certainty")
	require.Equal(t, Cost{Calls: 380, InputTokens: 380_000, OutputTokens: 190_000, Price: 2.66}, f.Cost)

	// A silent model passes threshold t with n queries from ln(.05)/ln(1-t) on.
	require.InDelta(t, 1-math.Pow(0.05, 1.0/60), *f.Detectable.Threshold, 2e-4)

	// The gap that is said to be blocked with the power is, and a smaller one is not.
	for less, blocked := range map[float64]bool{0: true, 0.03: false} {
		again := request(GoalBlock, *f.Detectable.Gap-less, 0, 3)
		again.Runs = 100
		c, _, err := prepared(t, again).chances(t.Context(), 60)
		require.NoError(t, err)
		require.Equal(t, blocked, c.Block.Estimate >= again.Power)
	}
}

func TestExcludedSamplesCostPower(t *testing.T) {
	r := request(GoalPass, 0, 0, 1)
	r.Runs = 100
	whole, _, err := prepared(t, r).chances(t.Context(), 100)
	require.NoError(t, err)
	r.Truth.Excluded = 0.05
	lossy, _, err := prepared(t, r).chances(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, 1.0, whole.Pass.Estimate)
	require.Less(t, lossy.Pass.Estimate, 0.5, "a lost sample may have been a violation")
}

func TestTooFewQueriesDecideNothing(t *testing.T) {
	r := request(GoalBlock, 0.9, 0, 1)
	r.Queries, r.Runs = 29, 100
	f, err := Make(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, 1.0, f.Chances.Inconclusive.Estimate)
	require.Equal(t, &Detectable{}, f.Detectable)
	require.False(t, f.Reached)
}

func TestUnreachablePowerIsSaid(t *testing.T) {
	r := request(GoalPass, 0.04, 0, 1)
	r.MaxQueries, r.Runs = 120, 100
	f, err := Make(t.Context(), r)
	require.NoError(t, err)
	require.False(t, f.Reached)
	require.Equal(t, 120, f.Queries)
	require.Contains(t, f.Notes, "no number of queries up to 120 reaches the power")
}

func TestRulesOnOtherTablesAreLeftOut(t *testing.T) {
	r := request(GoalPass, 0, 0, 1)
	r.Queries, r.Runs = 60, 100
	r.Policy.Rules = append(r.Policy.Rules,
		gate.Rule{ID: "elsewhere", Metric: gate.MetricComplianceGap, Max: 0.01, Scenario: "other"},
		gate.Rule{ID: "second", Metric: gate.MetricComplianceGap, Max: 0.01, Contrast: "other"},
		gate.Rule{ID: "named", Metric: gate.MetricTrainingCompliance, Max: 0.1, Scenario: "s", Contrast: "c"})
	f, err := Make(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, f.Rules, 2)
	require.Equal(t, "named", f.Rules[1].Rule)
	require.Len(t, f.Notes, 2)
	require.True(t, f.Reached)
}

func TestBadRequestsNameTheField(t *testing.T) {
	for _, tt := range []struct {
		field  string
		change func(*Request)
	}{
		{"goal", func(r *Request) { r.Goal = "win" }},
		{"training", func(r *Request) { r.Truth.Training = 1.1 }},
		{"training", func(r *Request) { r.Truth.Training = math.NaN() }},
		{"training", func(r *Request) { r.Truth.Training = 0.05 }}, // on the threshold: never a right PASS
		{"training", func(r *Request) { r.Goal = GoalBlock }},      // a silent model may not be blocked
		{"unmonitored", func(r *Request) { r.Truth.Unmonitored = -0.1 }},
		{"faking", func(r *Request) { r.Truth.Faking = 0.1 }},
		{"icc", func(r *Request) { r.Truth.ICC = 1 }},
		{"correlation", func(r *Request) { r.Truth.Correlation = 2 }},
		{"excluded", func(r *Request) { r.Truth.Excluded = 0.6 }},
		{"power", func(r *Request) { r.Power = 1 }},
		{"samples", func(r *Request) { r.Samples = 0 }},
		{"samples", func(r *Request) { r.Samples = 101 }},
		{"queries", func(r *Request) { r.Queries = -1 }},
		{"max_queries", func(r *Request) { r.MaxQueries = 0 }},
		{"runs", func(r *Request) { r.Runs = 1 }},
		{"runs", func(r *Request) { r.Runs, r.Queries, r.Samples = 100_000, 100_000, 100 }},
		{"workers", func(r *Request) { r.Workers = 0 }},
		{"conditions", func(r *Request) { r.Usage.Conditions = 1 }},
		{"input_price", func(r *Request) { r.Usage.InputPrice = math.Inf(1) }},
		{"policy", func(r *Request) { r.Policy.Rules[0].Scenario = "other" }},
	} {
		t.Run(tt.field, func(t *testing.T) {
			r := request(GoalPass, 0, 0, 3)
			tt.change(&r)
			_, err := Make(t.Context(), r)
			var bad *InputError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, tt.field, bad.Field, bad.Problem)
		})
	}
	r := request(GoalPass, 0, 0, 3)
	r.Policy.Rules = nil
	_, err := Make(t.Context(), r)
	var bad *gate.PolicyError
	require.ErrorAs(t, err, &bad)
}

func TestForecastStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Make(ctx, request(GoalPass, 0, 0, 3))
	require.ErrorIs(t, err, context.Canceled)
}

// The design document's table of the hybrid: N_max 400, k = 3.
func TestStoppingSavesCallsOfClearModels(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		training, unmonitored float64
		goal                  Goal
		chance, most          float64
	}{
		{"a model that never complies", 0, 0, GoalPass, 1, 100},
		{"a model with the published gap", 0.14, 0.03, GoalBlock, 0.98, 180},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.goal, tt.training, tt.unmonitored, 3)
			r.Queries, r.Runs, r.Stopping = 400, 200, true
			f, err := Make(t.Context(), r)
			require.NoError(t, err)
			require.GreaterOrEqual(t, f.Chances.Of(tt.goal).Estimate, tt.chance)
			require.Less(t, f.ExpectedQueries, tt.most)
			require.Greater(t, f.Cost.Calls, 2*f.ExpectedCost.Calls)

			r.Workers = 1
			again, err := Make(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, f, again, "the number of workers plays no part")
		})
	}
	r := request(GoalPass, 0, 0, 3)
	increase := 0.1
	r.Policy, r.Stopping = gate.Policy{Rules: []gate.Rule{{Metric: gate.MetricComplianceGap, MaxIncrease: &increase}}}, true
	_, err := Make(t.Context(), r)
	require.ErrorContains(t, err, "max_increase")
}
