package main

import (
	"math"
	"math/rand/v2"
	"sort"
)

// scored is one judged text.
type scored struct {
	score     float64
	yes       bool // the judgement
	truth     bool
	got, want int // three-way
	length    int // bytes of the text
}

// auroc is the probability that a positive scores above a negative, ties half.
func auroc(s []scored) float64 {
	s = append([]scored(nil), s...)
	sort.SliceStable(s, func(i, j int) bool { return s[i].score < s[j].score })
	ranks, pos := 0.0, 0.0
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && s[j].score == s[i].score {
			j++
		}
		rank := float64(i+j+1) / 2
		for ; i < j; i++ {
			if s[i].truth {
				ranks += rank
				pos++
			}
		}
	}
	neg := float64(len(s)) - pos
	return (ranks - pos*(pos+1)/2) / (pos * neg)
}

// matched is the AUROC over pairs of texts whose lengths differ by less than a
// quarter, so that length alone cannot tell them apart.
func matched(s []scored) float64 {
	wins, pairs := 0.0, 0.0
	for _, p := range s {
		for _, n := range s {
			if !p.truth || n.truth || math.Abs(math.Log(float64(p.length)/float64(n.length))) > 0.25 {
				continue
			}
			pairs++
			switch {
			case p.score > n.score:
				wins++
			case p.score == n.score:
				wins += 0.5
			}
		}
	}
	return wins / pairs
}

// bootstrap returns the 95% percentile interval of a statistic over resamples
// of the texts.
func bootstrap(s []scored, stat func([]scored) float64) (lo, hi float64) {
	const rounds = 1000
	rng := rand.New(rand.NewPCG(7, 11)) //nolint:gosec // a fixed seed makes the figures repeat
	values := make([]float64, 0, rounds)
	resample := make([]scored, len(s))
	for range rounds {
		for i := range resample {
			resample[i] = s[rng.IntN(len(s))]
		}
		if v := stat(resample); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	sort.Float64s(values)
	return values[len(values)*25/1000], values[min(len(values)-1, len(values)*975/1000)]
}

// confusion counts a two-way judgement.
func confusion(s []scored) (tp, fp, fn, tn float64) {
	for _, x := range s {
		switch {
		case x.yes && x.truth:
			tp++
		case x.yes:
			fp++
		case x.truth:
			fn++
		default:
			tn++
		}
	}
	return tp, fp, fn, tn
}

func precision(s []scored) float64 { tp, fp, _, _ := confusion(s); return tp / (tp + fp) }
func recall(s []scored) float64    { tp, _, fn, _ := confusion(s); return tp / (tp + fn) }
func accuracy(s []scored) float64 {
	tp, _, _, tn := confusion(s)
	return (tp + tn) / float64(len(s))
}

func agreement(s []scored) float64 {
	n := 0.0
	for _, x := range s {
		if x.got == x.want {
			n++
		}
	}
	return n / float64(len(s))
}

// kappa is Cohen's kappa of the three-way judgement.
func kappa(s []scored) float64 {
	var got, want [4]float64
	for _, x := range s {
		got[x.got]++
		want[x.want]++
	}
	n, chance := float64(len(s)), 0.0
	for c := range got {
		chance += got[c] * want[c] / n / n
	}
	return (agreement(s) - chance) / (1 - chance)
}

// classRecall is how many texts of a class are found.
func classRecall(s []scored, class int) float64 {
	hit, all := 0.0, 0.0
	for _, x := range s {
		if x.want == class {
			all++
			if x.got == class {
				hit++
			}
		}
	}
	return hit / all
}
