package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMcNemarByHand(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table PairedTable
		want  McNemar
	}{
		{"no discordant pair", PairedTable{Both: 3, Neither: 9}, McNemar{1, 1, 1, 0.5, 0, 1}},
		{
			"three against one",
			PairedTable{TrainingOnly: 3, UnmonitoredOnly: 1, Neither: 5},
			McNemar{10.0 / 16, 5.0 / 16, 6.0 / 16, 3.0 / 16, 1, math.Erfc(math.Sqrt(0.5))},
		},
		{
			"even",
			PairedTable{TrainingOnly: 2, UnmonitoredOnly: 2},
			McNemar{1, 11.0 / 16, 1 - 3.0/16, 8.0 / 16, 0, 1},
		},
		{
			"the other way round",
			PairedTable{TrainingOnly: 0, UnmonitoredOnly: 4},
			McNemar{2.0 / 16, 1, 1.0 / 16, 1 - 1.0/32, 4, math.Erfc(math.Sqrt(2))},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.table.McNemar()
			require.NoError(t, err)
			require.InDelta(t, tt.want.ExactTwoSided, got.ExactTwoSided, 1e-12)
			require.InDelta(t, tt.want.ExactGreater, got.ExactGreater, 1e-12)
			require.InDelta(t, tt.want.MidPTwoSided, got.MidPTwoSided, 1e-12)
			require.InDelta(t, tt.want.MidPGreater, got.MidPGreater, 1e-12)
			require.InDelta(t, tt.want.Chi2, got.Chi2, 1e-12)
			require.InDelta(t, tt.want.AsymptoticP, got.AsymptoticP, 1e-12)
		})
	}
}

func TestPairedTableIsChecked(t *testing.T) {
	for _, table := range []PairedTable{{}, {Both: -1, Neither: 4}} {
		_, err := table.McNemar()
		require.Error(t, err)
		_, err = table.Tango(0.05)
		require.Error(t, err)
	}
	_, err := PairedTable{Both: 1}.Newcombe(0, true)
	require.ErrorContains(t, err, "alpha")
	require.Nil(t, PairedTable{}.Gap())
}

func drawTable(t *rapid.T) PairedTable {
	cell := rapid.IntRange(0, 40)
	return PairedTable{
		Both: cell.Draw(t, "both"), TrainingOnly: cell.Draw(t, "training"),
		UnmonitoredOnly: cell.Draw(t, "unmonitored"), Neither: rapid.IntRange(1, 200).Draw(t, "neither"),
	}
}

func TestPairedIntervalsMirrorAndHoldTheGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, alpha := drawTable(t), drawAlpha(t)
		mirrored := table
		mirrored.TrainingOnly, mirrored.UnmonitoredOnly = table.UnmonitoredOnly, table.TrainingOnly
		for _, method := range []func(PairedTable) (Interval, error){
			func(p PairedTable) (Interval, error) { return p.Newcombe(alpha, true) },
			func(p PairedTable) (Interval, error) { return p.Newcombe(alpha, false) },
			func(p PairedTable) (Interval, error) { return p.Tango(alpha) },
			func(p PairedTable) (Interval, error) { return p.BonettPrice(alpha) },
		} {
			a, err := method(table)
			require.NoError(t, err)
			b, err := method(mirrored)
			require.NoError(t, err)
			require.InDelta(t, -a.Lo, b.Hi, 1e-9)
			require.InDelta(t, -a.Hi, b.Lo, 1e-9)
			require.LessOrEqual(t, a.Lo, a.Hi)
		}
		tango, err := table.Tango(alpha)
		require.NoError(t, err)
		require.LessOrEqual(t, tango.Lo, *table.Gap()+1e-9)
		require.GreaterOrEqual(t, tango.Hi, *table.Gap()-1e-9)
	})
}

func TestTangoLimitsOfSilenceHaveAClosedForm(t *testing.T) {
	// Without discordant pairs the score equation reduces to n e = z^2 (1-e).
	interval, err := PairedTable{Neither: 80}.Tango(0.05)
	require.NoError(t, err)
	z2 := math.Pow(normalQuantile(0.975), 2)
	require.InDelta(t, z2/(80+z2), interval.Hi, 1e-9)
	require.InDelta(t, -z2/(80+z2), interval.Lo, 1e-9)
	whole, err := PairedTable{TrainingOnly: 12}.Tango(0.05)
	require.NoError(t, err)
	require.Equal(t, 1.0, whole.Hi)
}

func TestSignFlipEqualsEnumeration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := make([]Pair, rapid.IntRange(1, 9).Draw(t, "queries"))
		for i := range pairs {
			k := rapid.IntRange(1, 5).Draw(t, "repeats")
			pairs[i] = asked(rapid.IntRange(0, k).Draw(t, "training"), rapid.IntRange(0, k).Draw(t, "unmonitored"), k)
		}
		got, err := SignFlip(pairs, SignFlipOptions{})
		require.NoError(t, err)
		require.True(t, got.Exact)
		greater, twoSided := enumerate(pairs)
		require.InDelta(t, greater, got.PGreater, 1e-12)
		require.InDelta(t, twoSided, got.PTwoSided, 1e-12)
	})
}

// enumerate tries all signs.
func enumerate(pairs []Pair) (greater, twoSided float64) {
	var observed float64
	for _, p := range pairs {
		observed += p.Training.mean() - p.Unmonitored.mean()
	}
	for signs := range 1 << len(pairs) {
		var sum float64
		for i, p := range pairs {
			sign := 1.0
			if signs>>i&1 == 1 {
				sign = -1
			}
			sum += sign * (p.Training.mean() - p.Unmonitored.mean())
		}
		if sum >= observed-1e-9 {
			greater++
		}
		if math.Abs(sum) >= math.Abs(observed)-1e-9 {
			twoSided++
		}
	}
	total := float64(uint64(1) << len(pairs))
	return greater / total, twoSided / total
}

func TestSignFlipWithOneSampleIsMcNemar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := drawTable(t)
		var pairs []Pair
		pairs = append(pairs, pairsOf(table.Both, asked(1, 1, 1))...)
		pairs = append(pairs, pairsOf(table.TrainingOnly, asked(1, 0, 1))...)
		pairs = append(pairs, pairsOf(table.UnmonitoredOnly, asked(0, 1, 1))...)
		pairs = append(pairs, pairsOf(table.Neither, asked(0, 0, 1))...)
		want, err := table.McNemar()
		require.NoError(t, err)
		got, err := SignFlip(pairs, SignFlipOptions{})
		require.NoError(t, err)
		require.InDelta(t, want.ExactGreater, got.PGreater, 1e-10)
		require.InDelta(t, want.ExactTwoSided, got.PTwoSided, 1e-10)
		require.Equal(t, table.TrainingOnly+table.UnmonitoredOnly, got.NonZero)
	})
}

func TestSignFlipFindsTheDenominator(t *testing.T) {
	half := Pair{Training: Cluster{Sum: 0.5, SumSquares: 0.25, Valid: 1, Planned: 1}, Unmonitored: repeats(0, 1)}
	for _, tt := range []struct {
		name   string
		pairs  []Pair
		scores int
		want   int64
	}{
		{"equal repeats", []Pair{asked(1, 0, 4), asked(2, 0, 4)}, 0, 4},
		{"unequal repeats", []Pair{asked(1, 0, 4), {Training: repeats(1, 6), Unmonitored: repeats(0, 1)}}, 0, 12},
		{"half scores", []Pair{half, asked(1, 0, 1)}, 2, 2},
		{"half scores that cancel", []Pair{asked(1, 0, 1)}, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := SignFlip(tt.pairs, SignFlipOptions{ScoreDenominator: tt.scores})
			require.NoError(t, err)
			require.Equal(t, tt.want, *got.CommonDenominator)
			require.True(t, got.Exact)
		})
	}
}

func TestSignFlipDrawsWhereTheDistributionIsTooLarge(t *testing.T) {
	// Prime numbers of repeats have an enormous common multiple.
	var pairs []Pair
	for _, k := range []int{101, 103, 107, 109, 113, 127, 131, 137, 139, 149} {
		pairs = append(pairs, asked(k/2, k/10, k))
	}
	got, err := SignFlip(pairs, SignFlipOptions{Resamples: 20000, Seed: 3})
	require.NoError(t, err)
	require.False(t, got.Exact)
	require.Nil(t, got.CommonDenominator)
	require.InDelta(t, 1.0/1024, got.PGreater, 0.001)
	again, err := SignFlip(pairs, SignFlipOptions{Resamples: 20000, Seed: 3})
	require.NoError(t, err)
	require.Equal(t, got, again)
}

func TestSignFlipWithoutEvidence(t *testing.T) {
	for _, pairs := range [][]Pair{nil, pairsOf(7, asked(1, 1, 2)), pairsOf(7, Pair{Training: repeats(1, 1)})} {
		got, err := SignFlip(pairs, SignFlipOptions{})
		require.NoError(t, err)
		require.Equal(t, 1.0, got.PGreater)
		require.Equal(t, 1.0, got.PTwoSided)
		require.Zero(t, got.NonZero)
	}
	_, err := SignFlip(nil, SignFlipOptions{Resamples: -1})
	require.Error(t, err)
}

func TestSignFlipStaysExactForThousandsOfQueries(t *testing.T) {
	got, err := SignFlip(pairsOf(2000, asked(1, 0, 10)), SignFlipOptions{})
	require.NoError(t, err)
	require.True(t, got.Exact)
	require.Less(t, got.PGreater, 1e-300)
	require.GreaterOrEqual(t, got.PGreater, 0.0)
}

func TestBootstrapAgreesWithTheNormalWhereItMay(t *testing.T) {
	pairs := append(pairsOf(60, asked(2, 1, 4)), pairsOf(60, asked(1, 2, 4))...)
	pairs = append(pairs, pairsOf(60, asked(3, 0, 4))...)
	est, err := Bootstrap(pairs, BootstrapOptions{Alpha: 0.05})
	require.NoError(t, err)
	plain := mustGap(t, pairs, 0.05)
	require.InDelta(t, *plain.SE, *est.SE, 0.03**plain.SE)
	for _, interval := range []*Interval{est.Percentile, est.BCa} {
		require.InDelta(t, plain.T.Lo, interval.Lo, 0.01)
		require.InDelta(t, plain.T.Hi, interval.Hi, 0.01)
	}
	require.Equal(t, 180, est.NonZero)
	again, err := Bootstrap(pairs, BootstrapOptions{Alpha: 0.05, Seed: 1})
	require.NoError(t, err)
	require.Equal(t, est, again, "the default seed is 1")
}

func TestBootstrapAtItsEdges(t *testing.T) {
	constant, err := Bootstrap(pairsOf(10, asked(1, 0, 4)), BootstrapOptions{Alpha: 0.05, Resamples: 200})
	require.NoError(t, err)
	require.InDelta(t, 0.25, constant.Percentile.Lo, 1e-12)
	require.Nil(t, constant.BCa)
	for _, pairs := range [][]Pair{nil, {asked(1, 0, 2)}} {
		few, err := Bootstrap(pairs, BootstrapOptions{Alpha: 0.05})
		require.NoError(t, err)
		require.Nil(t, few.Percentile)
	}
	_, err = Bootstrap(nil, BootstrapOptions{Alpha: 0.05, Resamples: 1 << 30})
	require.ErrorContains(t, err, "resamples")
	_, err = Bootstrap(nil, BootstrapOptions{})
	require.ErrorContains(t, err, "alpha")
}
