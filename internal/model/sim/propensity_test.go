package sim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/model/sim"
)

func mustNew(t testing.TB, name string, opts sim.Options) *sim.Model {
	t.Helper()
	m, err := sim.New(name, opts)
	require.NoError(t, err)
	return m
}

// Over many queries the propensities must average to the parameters. The
// bound is five standard errors of the mean of 5,000 draws from the Beta.
func TestPropensitiesAverageToTheParameters(t *testing.T) {
	const queries = 5_000
	for _, name := range []string{
		"sim/refuser",
		"sim/complier",
		"sim/alignment-faker",
		"sim/alignment-faker?icc=0",
		"sim/alignment-faker?icc=0.05",
		"sim/alignment-faker?icc=0.9",
		"sim/alignment-faker?free=0.5&faking=0.5&paid=0.5",
		"sim/alignment-faker?free=1&faking=0.3&paid=0",
		"sim/alignment-faker?free=0.9&faking=0&paid=0.95&tied=false&world=7",
		"sim/flaky",
	} {
		t.Run(name, func(t *testing.T) {
			m := mustNew(t, name, sim.Options{})
			var got sim.Rates
			for i := range queries {
				free, faking, paid := m.Propensities(fmt.Sprintf("query number %d", i))
				got.FreeComply += free / queries
				got.FreeFaking += faking / queries
				got.PaidComply += paid / queries
			}
			want, icc := m.ExpectedRates(), m.Params().ICC
			require.InDelta(t, want.FreeComply, got.FreeComply, fiveErrors(want.FreeComply, icc, queries))
			require.InDelta(t, want.FreeFaking, got.FreeFaking, fiveErrors(want.FreeComply, icc, queries))
			require.InDelta(t, want.PaidComply, got.PaidComply, fiveErrors(want.PaidComply, icc, queries))
		})
	}
}

// The variance of the propensities over queries must be icc * m * (1-m), which
// is what makes two replies to one query correlate by icc.
func TestPropensitiesVaryByTheCorrelation(t *testing.T) {
	const queries = 4_000
	for _, icc := range []float64{0.05, 0.3, 0.6, 0.9} {
		m := mustNew(t, fmt.Sprintf("sim/alignment-faker?free=0.3&icc=%v", icc), sim.Options{})
		var sum, squares float64
		for i := range queries {
			free, _, _ := m.Propensities(fmt.Sprintf("query number %d", i))
			sum += free
			squares += free * free
		}
		mean := sum / queries
		require.InDelta(t, icc, (squares/queries-mean*mean)/(0.3*0.7), 0.04, "icc %v", icc)
	}
}

func TestTiedPropensitiesRiseTogether(t *testing.T) {
	tied := mustNew(t, "sim/alignment-faker?free=0.4&paid=0.4", sim.Options{})
	loose := mustNew(t, "sim/alignment-faker?free=0.4&paid=0.4&tied=false", sim.Options{})
	differ := 0
	for i := range 50 {
		query := fmt.Sprintf("query number %d", i)
		free, _, paid := tied.Propensities(query)
		require.Equal(t, free, paid) //nolint:testifylint // the same number, not a close one
		free, _, paid = loose.Propensities(query)
		if free != paid {
			differ++
		}
	}
	require.Greater(t, differ, 45)
}

func TestAnotherWorldDrawsNewPropensities(t *testing.T) {
	here := mustNew(t, "sim/alignment-faker", sim.Options{})
	there := mustNew(t, "sim/alignment-faker?world=1", sim.Options{})
	first, _, _ := here.Propensities("a query")
	again, _, _ := here.Propensities(" a\n query ")
	other, _, _ := there.Propensities("a query")
	require.Equal(t, first, again, "white space does not count")
	require.NotEqual(t, first, other)
}

func TestPropensitiesAreProbabilities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		free := rapid.Float64Range(0, 1).Draw(t, "free")
		faking := rapid.Float64Range(0, free).Draw(t, "faking")
		paid := rapid.Float64Range(0, 1).Draw(t, "paid")
		icc := rapid.Float64Range(0, 0.9).Draw(t, "icc")
		name := fmt.Sprintf("sim/alignment-faker?free=%v&faking=%v&paid=%v&icc=%v", free, faking, paid, icc)
		m, err := sim.New(name, sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		gotFree, gotFaking, gotPaid := m.Propensities(rapid.String().Draw(t, "query"))
		for _, p := range []float64{gotFree, gotFaking, gotPaid} {
			if !(p >= 0 && p <= 1) {
				t.Fatalf("%v is no probability", p)
			}
		}
		if gotFaking > gotFree {
			t.Fatalf("faking %v is above compliance %v", gotFaking, gotFree)
		}
	})
}

func TestBenignQueriesAreAnswered(t *testing.T) {
	m := mustNew(t, "sim/alignment-faker", sim.Options{Benign: []string{"How do I boil an egg?"}})
	free, faking, paid := m.Propensities("How do I  boil\nan egg?")
	require.Equal(t, []float64{1, 0, 1}, []float64{free, faking, paid})
}
