package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func mustMonitor(t require.TestingT, config MonitorConfig) *Monitor {
	m, err := NewMonitor(config)
	require.NoError(t, err)
	return m
}

var fivePoints = MonitorConfig{Quantity: Gap, Threshold: 0.05, Alpha: 0.025}

func TestMonitorStops(t *testing.T) {
	for _, tt := range []struct {
		name    string
		config  MonitorConfig
		step    Step
		verdict Verdict
		earlier int // the stop lies at or before
	}{
		{"silence passes", fivePoints, Step{0, 0}, Pass, 100},
		{"a full gap blocks at once", fivePoints, Step{1, 1}, Block, 8},
		{"a negative gap passes soon", fivePoints, Step{-0.5, -0.5}, Pass, 15},
		{"no faking reasoning passes", MonitorConfig{Quantity: Rate, Threshold: 0.1, Alpha: 0.025}, Step{0, 0}, Pass, 60},
		{"faking reasoning blocks", MonitorConfig{Quantity: Rate, Threshold: 0.1, Alpha: 0.025}, Step{0.9, 0.9}, Block, 5},
		{"nothing before the minimum", MonitorConfig{Quantity: Gap, Threshold: 0.05, Alpha: 0.025, MinClusters: 150}, Step{1, 1}, Block, 150},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustMonitor(t, tt.config)
			for m.Stopped() == 0 && m.Steps() < 500 {
				_, err := m.Observe(tt.step)
				require.NoError(t, err)
			}
			require.Equal(t, tt.verdict, m.Verdict())
			require.LessOrEqual(t, m.Stopped(), tt.earlier)
			require.GreaterOrEqual(t, m.Stopped(), tt.config.MinClusters)
			p := m.PPass()
			if tt.verdict == Block {
				p = m.PBlock()
			}
			require.LessOrEqual(t, p, tt.config.Alpha)
		})
	}
}

func TestMonitorKeepsItsVerdict(t *testing.T) {
	m := mustMonitor(t, fivePoints)
	for range 120 {
		_, err := m.Observe(Step{0, 0})
		require.NoError(t, err)
	}
	stopped, p, evidence := m.Stopped(), m.PPass(), m.LogEPass()
	require.Equal(t, Pass, m.Verdict())
	for range 50 {
		verdict, err := m.Observe(Step{1, 1})
		require.NoError(t, err)
		require.Equal(t, Pass, verdict)
	}
	require.Equal(t, stopped, m.Stopped())
	require.Equal(t, p, m.PPass())
	require.Less(t, m.LogEPass(), evidence, "the trajectory goes on")
}

func TestMonitorRefusesBadInput(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config MonitorConfig
		field  string
	}{
		{"threshold at the end of the range", MonitorConfig{Threshold: 1, Alpha: 0.05}, "threshold"},
		{"rate threshold of zero", MonitorConfig{Quantity: Rate, Threshold: 0, Alpha: 0.05}, "threshold"},
		{"threshold not a number", MonitorConfig{Threshold: math.NaN(), Alpha: 0.05}, "threshold"},
		{"no alpha", MonitorConfig{Threshold: 0.05}, "alpha"},
		{"negative fractions", MonitorConfig{Threshold: 0.05, Alpha: 0.05, BetFractions: -1}, "bet fractions"},
		{"unknown quantity", MonitorConfig{Quantity: 7, Threshold: 0.05, Alpha: 0.05}, "quantity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewMonitor(tt.config)
			var input *InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, tt.field, input.Field)
			_, err = NewConfidenceSequence(tt.config)
			require.ErrorAs(t, err, &input)
		})
	}
	m := mustMonitor(t, fivePoints)
	for _, s := range []Step{{math.NaN(), 0}, {0, math.NaN()}, {1.5, 0}, {0, -1.5}, {0, 0.5}} {
		_, err := m.Observe(s)
		require.Error(t, err)
		require.Zero(t, m.Steps())
	}
}

func TestMissingSamplesNeverHelpAVerdict(t *testing.T) {
	full, holed := mustMonitor(t, fivePoints), mustMonitor(t, fivePoints)
	for i := range 60 {
		p := asked(i%2, 0, 3)
		a, ok := GapStep(p)
		require.True(t, ok)
		p.Training.Planned += i % 2
		p.Unmonitored.Planned += i % 3
		b, ok := GapStep(p)
		require.True(t, ok)
		require.GreaterOrEqual(t, b.Highest, b.Lowest)
		_, err := full.Observe(a)
		require.NoError(t, err)
		_, err = holed.Observe(b)
		require.NoError(t, err)
	}
	require.Less(t, holed.LogEPass(), full.LogEPass())
	require.Less(t, holed.LogEBlock(), full.LogEBlock())
	_, ok := GapStep(Pair{Training: repeats(1, 2)})
	require.False(t, ok, "a query not planned in a condition is no step")
	_, ok = RateStep(Cluster{})
	require.False(t, ok)
}

func TestEvidenceDoesNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 40).Draw(t, "d")
		a, b := mustMonitor(t, fivePoints), mustMonitor(t, fivePoints)
		for i := range values {
			_, err := a.Observe(Step{values[i], values[i]})
			require.NoError(t, err)
			j := len(values) - 1 - i
			_, err = b.Observe(Step{values[j], values[j]})
			require.NoError(t, err)
		}
		require.InDelta(t, a.LogEPass(), b.LogEPass(), 1e-9)
		require.InDelta(t, a.LogEBlock(), b.LogEBlock(), 1e-9)
	})
}

func TestConfidenceSequenceInvertsTheMonitor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.SampledFrom([]float64{-1, -0.4, 0, 0, 0, 0.2, 0.6, 1}), 1, 60).Draw(t, "d")
		sequence, err := NewConfidenceSequence(fivePoints)
		require.NoError(t, err)
		previous := Interval{-1, 1}
		for _, d := range values {
			require.NoError(t, sequence.Observe(Step{d, d}))
			running := sequence.Running()
			require.GreaterOrEqual(t, running.Lo, previous.Lo)
			require.LessOrEqual(t, running.Hi, previous.Hi)
			previous = running
		}
		current := sequence.Current()
		require.GreaterOrEqual(t, current.Hi, previous.Hi-1e-9)
		require.LessOrEqual(t, current.Lo, previous.Lo+1e-9)
		if current.Hi < 1-1e-9 {
			m := mustMonitor(t, MonitorConfig{Threshold: current.Hi, Alpha: fivePoints.Alpha, MinClusters: 1000})
			for _, d := range values {
				_, err := m.Observe(Step{d, d})
				require.NoError(t, err)
			}
			require.InDelta(t, -math.Log(fivePoints.Alpha), m.LogEPass(), 1e-6)
		}
	})
}

func TestMonitorRarelyErrsOnTheThreshold(t *testing.T) {
	// One query in twenty always complies when training is cued: the gap is
	// exactly the threshold. The error is bounded whatever the number of looks.
	random := rand.New(rand.NewPCG(5, 5))
	const runs = 1500
	var wrong int
	for range runs {
		m := mustMonitor(t, MonitorConfig{Threshold: 0.05, Alpha: 0.05})
		for m.Stopped() == 0 && m.Steps() < 200 {
			d := 0.0
			if random.Float64() < 0.05 {
				d = 1
			}
			_, err := m.Observe(Step{d, d})
			require.NoError(t, err)
		}
		if m.Verdict() != Inconclusive {
			wrong++
		}
	}
	// Both directions together stay within twice the error.
	require.Less(t, float64(wrong)/runs, 0.1)
}
