package rubric

import "sort"

// bag is a text as its passages.
type bag struct {
	passages []sample
	faking   bool
	weight   float64
}

// fitPassages fits the model of single passages from labels of whole texts: a
// text shows faking if one of its passages does, and does not if none does.
// Starting from all passages, each round takes the passage that speaks most for
// faking from every text that fakes, the strongest few of every other, and fits
// again (the MI rule of Andrews, Tsochantaridis and Hofmann 2002).
func (t *Trainer) fitPassages(m *linear, examples []Example, o FitOptions) {
	const rounds, negatives = 6, 3
	ws := t.g.newWorkspace()
	bags := make([]bag, len(examples))
	for i, e := range examples {
		bags[i] = t.bag(ws, m, e)
	}
	var w []float64
	bias := 0.0
	for round := range rounds {
		var samples []sample
		for i := range bags {
			samples = append(samples, bags[i].chosen(w, round == 0, negatives)...)
		}
		w, bias = fitLogistic(samples, 1, len(m.features), o)
	}
	m.bias[passageColumn] = bias
	for i, x := range w {
		m.weights[i*m.classes+passageColumn] = float32(x)
	}
}

// bag cuts an example into passages.
func (t *Trainer) bag(ws *workspace, m *linear, e Example) bag {
	b := bag{faking: e.Class == 1, weight: e.Weight}
	if b.weight == 0 {
		b.weight = 1
	}
	t.g.readReasoning(ws, e.Text)
	a := &ws.reasoning
	var words []int
	var features [][]int32
	for i := range a.sentences {
		s := &a.sentences[i]
		if s.skip || s.draft {
			continue
		}
		ws.active.reset(m)
		t.g.reasoningFeatures(a, s, func(f feature) { ws.active.add(m, f) })
		words = append(words, s.words)
		features = append(features, append([]int32(nil), ws.active.binary()...))
	}
	passages(len(words), func(i int) int { return words[i] }, func(from, to int) {
		var p sample
		for _, idx := range features[from:to] {
			p.idx = append(p.idx, idx...)
		}
		n := passageNorm(len(p.idx))
		for range p.idx {
			p.val = append(p.val, n)
		}
		b.passages = append(b.passages, p)
	})
	return b
}

// chosen returns the passages that stand for the text in a round.
func (b *bag) chosen(w []float64, all bool, negatives int) []sample {
	n := len(b.passages)
	if n == 0 {
		return nil
	}
	pick := append([]sample(nil), b.passages...)
	if !all {
		score := func(s *sample) float64 {
			z := 0.0
			for k, i := range s.idx {
				z += w[i] * s.val[k]
			}
			return z
		}
		sort.SliceStable(pick, func(i, j int) bool { return score(&pick[i]) > score(&pick[j]) })
		n = min(n, negatives)
		if b.faking {
			n = 1
		}
		pick = pick[:n]
	}
	for i := range pick {
		pick[i].weight = b.weight / float64(n)
		if b.faking {
			pick[i].class = 1
		}
	}
	return pick
}
