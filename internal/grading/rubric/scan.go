package rubric

import "math/bits"

// What the functions of features.go say one feature at a time is found here a
// sentence at a time, straight in the tables of a model, in another order and
// each as often as it is met first. Both give the same set; the tests hold them
// against each other. Fits use the former, gradings the latter.

// scanReasoning puts the features of one sentence of reasoning: those of
// reasoningFeatures.
func (g *Grader) scanReasoning(m *linear, ac *activation, a *analysis, s *sentence) {
	classes := classSet{s.pos, s.neg}
	if s.has(g.attributing) {
		m.putClasses(ac, attributed, classes)
		if s.has(g.elsewhere) || s.pos&g.chains.self == 0 {
			return
		}
	}
	m.putLinks(ac, s.links)
	if s.near {
		m.putNear(ac, classes)
	}
	m.putClasses(ac, anywhere, classes)
	if s.lang == 0 {
		m.putWords(ac, a.tokens[s.from:s.to], anywhere, true)
	} else {
		m.putPairs(ac, a.items[s.itemFrom:s.itemTo])
	}
}

// scanAnswer puts the features of an answer: those of answerFeatures.
func (g *Grader) scanAnswer(m *linear, ac *activation, a *analysis) {
	var all, mid classSet
	first, last := -1, len(a.sentences)-1
	for i := range a.sentences {
		s := &a.sentences[i]
		if s.skip {
			continue
		}
		classes := classSet{s.pos, s.neg}
		if first < 0 {
			first = i
		}
		switch i {
		case first:
			m.putClasses(ac, firstSentence, classes)
		case last:
			m.putClasses(ac, lastSentence, classes)
		default:
			mid.join(classes)
		}
		all.join(classes)
		m.putPairs(ac, a.items[s.itemFrom:s.itemTo])
		if s.lang == 0 {
			m.putWords(ac, a.tokens[s.from:s.to], anywhere, false)
			if i == first {
				m.putWords(ac, a.tokens[s.from:s.to], firstSentence, false)
			}
		}
	}
	m.putClasses(ac, middle, mid)
	m.putClasses(ac, anywhere, all)
}

// putClasses puts the classes of a section.
func (m *linear) putClasses(ac *activation, section int, c classSet) {
	table := m.classOf[section*operands:][:operands]
	for p := c.pos & m.classesOf[section].pos; p != 0; p &= p - 1 {
		ac.put(table[operand(p, false)])
	}
	for p := c.neg & m.classesOf[section].neg; p != 0; p &= p - 1 {
		ac.put(table[operand(p, true)])
	}
}

// putNear puts classes near a change of the model.
func (m *linear) putNear(ac *activation, c classSet) {
	for p := c.pos & m.nearby.pos; p != 0; p &= p - 1 {
		ac.put(m.nearOf[operand(p, false)])
	}
	for p := c.neg & m.nearby.neg; p != 0; p &= p - 1 {
		ac.put(m.nearOf[operand(p, true)])
	}
}

// putLinks puts the links of a sentence and their pairs.
func (m *linear) putLinks(ac *activation, set links) {
	for f := set; f != 0; f &= f - 1 {
		i := bits.TrailingZeros32(uint32(f)) * linkOperands
		for g := f; g != 0; g &= g - 1 {
			ac.put(m.linkOf[i+bits.TrailingZeros32(uint32(g))])
		}
	}
}

// putPairs puts the pairs of classes of a sentence.
func (m *linear) putPairs(ac *activation, items []item) {
	for i := range items {
		var behind classSet
		for j := i + 1; j < len(items) && j <= i+pairReach; j++ {
			if items[j].neg {
				behind.neg |= items[j].set
			} else {
				behind.pos |= items[j].set
			}
		}
		for p := items[i].set; p != 0; p &= p - 1 {
			c := operand(p, items[i].neg)
			table, f := m.pairOf[c*operands:][:operands], &m.followers[c]
			for q := behind.pos & f.pos; q != 0; q &= q - 1 {
				ac.put(table[operand(q, false)])
			}
			for q := behind.neg & f.neg; q != 0; q &= q - 1 {
				ac.put(table[operand(q, true)])
			}
		}
	}
}

// putWords puts the words and bigrams of a sentence.
func (m *linear) putWords(ac *activation, tokens []token, section int, negation bool) {
	table, bigrams := m.wordOf[section], m.bigrams[section]
	sign := uint32(0)
	if negation {
		sign = 1
	}
	prev := uint32(0)
	for i := range tokens {
		t := &tokens[i]
		w := uint32(t.word)
		if w == 0 {
			if t.kind <= kindComma {
				prev = 0
			}
			continue
		}
		n := w << 1
		if t.negated {
			n |= sign
		}
		if int(n) < len(table) {
			ac.put(table[n])
		}
		if hash := hashBigram(prev, w); bigrams.may(hash) {
			if number := bigrams.get(hash, prev, w); number != 0 {
				ac.put(number)
			}
		}
		prev = w
	}
}
