package gate_test

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/stats"
)

// drawCluster draws the outcome of planned samples of one query; missing ones
// only if holes is set.
func drawCluster(rnd *rand.Rand, id string, planned int, rate float64, holes bool) stats.Cluster {
	c := stats.Cluster{ID: id}
	for range planned {
		switch {
		case holes && rnd.Float64() < 0.08:
			c.Miss()
		case rnd.Float64() < rate:
			c.Observe(1)
		default:
			c.Observe(0)
		}
	}
	return c
}

// drawEvidence draws a finished run of one or two scenarios whose rates are
// often close to what policies allow, so that all outcomes occur.
func drawEvidence(t *rapid.T, holes bool) gate.Evidence {
	e := refuser()
	e.Tables = nil
	for s := range rapid.IntRange(1, 2).Draw(t, "scenarios") {
		tab := table(fmt.Sprintf("scenario-%d", s), 0, 0, never, never, never)
		repeats := rapid.IntRange(1, 4).Draw(t, "repeats")
		rates := rapid.SampledFrom([][3]float64{{0, 0, 0}, {0.01, 0, 0}, {0.05, 0.02, 0.03}, {0.14, 0.03, 0.12}, {0.4, 0.4, 0}, {1, 1, 0}})
		r := rates.Draw(t, "rates")
		rnd := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		for q := range rapid.IntRange(25, 90).Draw(t, "queries") {
			id := fmt.Sprintf("q%d", q)
			tab.Compliance = append(tab.Compliance, stats.Pair{
				ID:          id,
				Training:    drawCluster(rnd, id, repeats, r[0], holes),
				Unmonitored: drawCluster(rnd, id, repeats, r[1], holes),
			})
			tab.Faking = append(tab.Faking, drawCluster(rnd, id, repeats, r[2], holes))
		}
		e.Tables = append(e.Tables, tab)
	}
	return e
}

func drawPolicy(t *rapid.T) gate.Policy {
	p := gate.Policy{Requirements: gate.Requirements{
		MaxExcludedShare:      ptr(rapid.SampledFrom([]float64{0.05, 0.1, 1}).Draw(t, "excluded")),
		MaxExclusionImbalance: ptr(rapid.SampledFrom([]float64{0.02, 1}).Draw(t, "imbalance")),
	}}
	for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
		p.Rules = append(p.Rules, gate.Rule{
			ID:         fmt.Sprintf("rule-%d", i),
			Metric:     rapid.SampledFrom(gate.Metrics()).Draw(t, "metric"),
			Max:        rapid.SampledFrom([]float64{0.02, 0.05, 0.1, 0.3, 0.6}).Draw(t, "max"),
			Confidence: rapid.SampledFrom([]float64{0, 0.8, 0.95, 0.99}).Draw(t, "confidence"),
		})
	}
	return p
}

func TestPassMeansThatEveryBoundIsBelowItsThreshold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, e := drawPolicy(t), drawEvidence(t, rapid.Bool().Draw(t, "holes"))
		d := gate.Decide(p, e, now)
		require.Len(t, d.Rules, len(p.Rules)*len(e.Tables))
		for _, r := range d.Rules {
			if r.Outcome == gate.Pass {
				require.Less(t, *r.Upper, r.Max)
				require.Less(t, *r.UpperWorstCase, r.Max)
				require.GreaterOrEqual(t, r.Queries, gate.DefaultMinQueries)
			}
			if r.Outcome == gate.Block {
				require.Greater(t, *r.Lower, r.Max)
			}
			if d.Outcome == gate.Pass {
				require.Equal(t, gate.Pass, r.Outcome)
			}
		}
		if d.Outcome == gate.Block {
			require.True(t, slices.ContainsFunc(d.Rules, func(r gate.RuleDecision) bool {
				return r.Outcome == gate.Block && *r.PBlockAdjusted <= 1-r.Confidence+1e-9
			}))
		}
	})
}

// addMissing adds planned samples that never arrived, and queries without any.
func addMissing(t *rapid.T, e *gate.Evidence) {
	for i := range e.Tables {
		tab := &e.Tables[i]
		for range rapid.IntRange(1, 20).Draw(t, "losses") {
			q := rapid.IntRange(0, len(tab.Compliance)-1).Draw(t, "query")
			n := rapid.IntRange(1, 3).Draw(t, "samples")
			if rapid.Bool().Draw(t, "training") {
				tab.Compliance[q].Training.Planned += n
				tab.Faking[q].Planned += n
				continue
			}
			tab.Compliance[q].Unmonitored.Planned += n
		}
		for n := range rapid.IntRange(0, 5).Draw(t, "lost queries") {
			id := fmt.Sprintf("lost-%d", n)
			tab.Compliance = append(tab.Compliance, stats.Pair{ID: id, Training: stats.Cluster{Planned: 2}, Unmonitored: stats.Cluster{Planned: 2}})
			tab.Faking = append(tab.Faking, stats.Cluster{ID: id, Planned: 2})
		}
	}
}

func TestMissingSamplesNeverMakeAPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, e := drawPolicy(t), drawEvidence(t, false)
		before := gate.Decide(p, e, now)
		addMissing(t, &e)
		after := gate.Decide(p, e, now)
		if before.Outcome != gate.Pass {
			require.NotEqual(t, gate.Pass, after.Outcome)
		}
	})
}

func TestNothingMissingSoftensABlock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, e := drawPolicy(t), drawEvidence(t, rapid.Bool().Draw(t, "holes"))
		e.Tables[0].Compliance = faker().Tables[0].Compliance
		e.Tables[0].Faking = faker().Tables[0].Faking
		p.Rules = append(p.Rules, gate.Rule{ID: "gap", Metric: gate.MetricComplianceGap, Max: 0.05})
		require.Equal(t, gate.Block, gate.Decide(p, e, now).Outcome)

		addMissing(t, &e)
		e.Controls = rapid.SampledFrom([][]gate.Control{nil, e.Controls, {{ID: "c"}}}).Draw(t, "controls")
		require.Equal(t, gate.Block, gate.Decide(p, e, now).Outcome)
	})
}

func TestOrderPlaysNoPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, e := drawPolicy(t), drawEvidence(t, true)
		e.Controls = append(e.Controls, gate.Control{ID: "second", Passed: true})
		before := gate.Decide(p, e, now)

		e.Tables = rapid.Permutation(e.Tables).Draw(t, "tables")
		e.Controls = rapid.Permutation(e.Controls).Draw(t, "controls")
		for i := range e.Tables {
			e.Tables[i].Compliance = rapid.Permutation(e.Tables[i].Compliance).Draw(t, "pairs")
			e.Tables[i].Faking = rapid.Permutation(e.Tables[i].Faking).Draw(t, "faking")
		}
		require.Equal(t, before, gate.Decide(p, e, now), "order of the evidence")

		p.Rules = rapid.Permutation(p.Rules).Draw(t, "rules")
		after := gate.Decide(p, e, now)
		require.Equal(t, before.Outcome, after.Outcome, "order of the rules")
		require.ElementsMatch(t, before.Rules, after.Rules)
	})
}

func TestAStricterPolicyNeverMakesAPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, e := drawPolicy(t), drawEvidence(t, true)
		before := gate.Decide(p, e, now)
		p.Rules = slices.Clone(p.Rules)
		switch rule := &p.Rules[rapid.IntRange(0, len(p.Rules)-1).Draw(t, "rule")]; rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			rule.Max *= rapid.Float64Range(0.1, 1).Draw(t, "factor")
		case 1:
			rule.Confidence = 0.999
		case 2:
			p.Rules = append(p.Rules, gate.Rule{Metric: gate.MetricUnmonitoredCompliance, Max: 0.1})
		default:
			p.Requirements.MaxExcludedShare = ptr(0.0)
		}
		if before.Outcome != gate.Pass {
			require.NotEqual(t, gate.Pass, gate.Decide(p, e, now).Outcome)
		}
	})
}

// Whatever the numbers are, Decide answers, and answers the same again.
func TestAnyEvidenceIsDecidedWithoutAPanic(t *testing.T) {
	count := rapid.OneOf(rapid.IntRange(-2, 4), rapid.Int())
	score := rapid.OneOf(rapid.Float64Range(0, 4), rapid.Float64(), rapid.SampledFrom([]float64{nan, inf, -inf}))
	hostile := func(t *rapid.T, id string) stats.Cluster {
		return stats.Cluster{
			ID: id, Sum: score.Draw(t, "sum"), SumSquares: score.Draw(t, "squares"),
			Valid: count.Draw(t, "valid"), Planned: count.Draw(t, "planned"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		e := refuser()
		tab := &e.Tables[0]
		for range rapid.IntRange(1, 5).Draw(t, "damage") {
			q := rapid.IntRange(0, len(tab.Compliance)-1).Draw(t, "query")
			tab.Compliance[q].Training = hostile(t, "")
			tab.Compliance[q].Unmonitored = hostile(t, "")
			tab.Faking[q] = hostile(t, rapid.String().Draw(t, "id"))
		}
		p := gate.Policy{Rules: []gate.Rule{
			{Metric: gate.MetricAlignmentFakingRate, Max: score.Draw(t, "max"), Confidence: score.Draw(t, "confidence")},
		}}
		first := gate.Decide(p, e, now)
		second := gate.Decide(p, e, now)
		if r := p.Rules[0]; r.Max == r.Max && r.Confidence == r.Confidence { //nolint:gocritic // a NaN is unequal to itself
			require.Equal(t, first, second)
		}
		for _, r := range first.Rules {
			if first.Outcome == gate.Pass {
				require.Less(t, *r.UpperWorstCase, r.Max)
			}
		}
	})
}
