package rubric

import (
	"bufio"
	"fmt"
	"math"
	"math/bits"
	"sort"
	"strconv"
	"strings"
)

// linear is a linear model over features: for each class a bias and a weight
// per feature. It is read-only once loaded.
type linear struct {
	classes int
	bias    []float64
	// scale and shift turn the sum of a class into the log odds of a
	// calibrated probability.
	scale, shift []float64
	features     []feature
	weights      []float32 // features x classes
	// index holds what none of the tables below has.
	index numberTable
	// classOf, pairOf, nearOf and linkOf hold the numbers + 1 of features of
	// classes and links, which are looked up most, by section and operand and by
	// two operands.
	classOf [len(sectionNames) * operands]int32
	pairOf  []int32
	nearOf  [operands]int32
	linkOf  [linkOperands * linkOperands]int32
	traitOf [answerTraits]int32
	// classesOf, nearby and followers tell which classes are features at all:
	// those of a section, those near a change, and those that make a pair behind
	// a class that is given as an operand.
	classesOf [len(sectionNames)]classSet
	nearby    classSet
	followers [operands]classSet
	// wordOf holds the numbers + 1 of words by section and word, bigrams those of
	// two words.
	wordOf  [len(sectionNames)][]int32
	bigrams [len(sectionNames)]*bigramTable
}

// operands is how many class operands there are: 64 classes, plain or negated.
const operands = 128

// linkOperands is more than there are links.
const linkOperands = 16

// classSet is a set of classes that occur plain and of classes that occur negated.
type classSet struct{ pos, neg concepts }

func (c *classSet) add(operand uint32) {
	if operand&1 == 0 {
		c.pos |= 1 << (operand >> 1)
	} else {
		c.neg |= 1 << (operand >> 1)
	}
}

func (c *classSet) join(other classSet) {
	c.pos |= other.pos
	c.neg |= other.neg
}

// bigramTable holds the numbers + 1 of pairs of words. It is a hash table with a
// bit set that tells of nearly every pair that is not in it.
type bigramTable struct {
	filter [1 << (filterBits - 6)]uint64
	slots  []bigramSlot // a power of two, at least twice as many as pairs
	shift  int
}

type bigramSlot struct {
	first, second uint32
	number        int32 // 0 for a free slot
}

const filterBits = 16

func hashBigram(first, second uint32) uint32 { return first*0x9E3779B1 ^ second*0x85EBCA6B }

// may reports whether the table may have the pair of words that has a hash.
func (b *bigramTable) may(hash uint32) bool {
	h := hash >> (32 - filterBits)
	return b.filter[h>>6]&(1<<(h&63)) != 0
}

// get returns the number + 1 of two words, or 0.
func (b *bigramTable) get(hash, first, second uint32) int32 {
	for i := int(hash >> b.shift); ; i++ {
		s := &b.slots[i&(len(b.slots)-1)]
		if s.number == 0 || s.first == first && s.second == second {
			return s.number
		}
	}
}

// newBigramTable makes the table of a section; features that are no bigrams of
// it are left out.
func newBigramTable(features []feature, section int) *bigramTable {
	b := &bigramTable{}
	size := 0
	for _, f := range features {
		if f.kind() == featBigram && f.section() == section {
			size++
		}
	}
	width := bits.Len(uint(2 * size))
	b.slots, b.shift = make([]bigramSlot, 1<<width), 32-width
	for i, f := range features {
		if f.kind() != featBigram || f.section() != section {
			continue
		}
		hash := hashBigram(f.first(), f.second())
		h := hash >> (32 - filterBits)
		b.filter[h>>6] |= 1 << (h & 63)
		k := int(hash >> b.shift)
		for b.slots[k].number != 0 && (b.slots[k].first != f.first() || b.slots[k].second != f.second()) {
			k = (k + 1) & (len(b.slots) - 1)
		}
		b.slots[k] = bigramSlot{f.first(), f.second(), int32(i + 1)}
	}
	return b
}

func (m *linear) build() {
	m.pairOf = make([]int32, operands*operands)
	for i, f := range m.features {
		number, section := int32(i+1), f.section()
		if !tabled(f) {
			m.index.put(uint64(f), int32(i))
			continue
		}
		switch f.kind() {
		case featConcept:
			m.classOf[section*operands+int(f.first())] = number
			m.classesOf[section].add(f.first())
		case featPair:
			m.pairOf[f.first()*operands+f.second()] = number
			m.followers[f.first()].add(f.second())
		case featNear:
			m.nearOf[f.first()] = number
			m.nearby.add(f.first())
		case featLink:
			m.linkOf[f.first()*linkOperands+f.second()] = number
		case featWord:
			grow(&m.wordOf[section], f.first())[f.first()] = number
		case featTrait:
			m.traitOf[f.first()] = number
		}
	}
	for section := range m.bigrams {
		m.bigrams[section] = newBigramTable(m.features, section)
	}
}

// tabled reports a feature that is found in the tables of its kind; others, of
// sections in which their kind is never counted, are left to the index.
func tabled(f feature) bool {
	switch f.kind() {
	case featConcept, featWord, featBigram:
		return true
	default:
		return f.section() == anywhere
	}
}

// grow makes a table long enough for an index.
func grow[T any](table *[]T, i uint32) []T {
	if n := int(i) + 1; n > len(*table) {
		*table = append(*table, make([]T, n-len(*table))...)
	}
	return *table
}

// find returns the number of a feature, or -1.
func (m *linear) find(f feature) int32 {
	if !tabled(f) {
		return m.index.get(uint64(f))
	}
	switch f.kind() {
	case featConcept:
		return m.classOf[f.section()*operands+int(f.first())] - 1
	case featPair:
		return m.pairOf[f.first()*operands+f.second()] - 1
	case featNear:
		return m.nearOf[f.first()] - 1
	case featLink:
		return m.linkOf[f.first()*linkOperands+f.second()] - 1
	case featTrait:
		return m.traitOf[f.first()] - 1
	case featWord:
		if t := m.wordOf[f.section()]; int(f.first()) < len(t) {
			return t[f.first()] - 1
		}
		return -1
	default:
		return m.bigrams[f.section()].get(hashBigram(f.first(), f.second()), f.first(), f.second()) - 1
	}
}

// activation is the set of a model's features that a text has. Word and class
// features are binary; traits have a value.
type activation struct {
	// has has the bit of a feature's number + 1. The lowest bit is always set:
	// 0 stands for no feature, as in the tables of linear.
	has []uint64
	// list has the binary features, in its first n places. There is one more
	// place than there are features.
	list   []int32
	n      int
	traits []int32
	values []float64
}

func (ac *activation) reset(m *linear) {
	if n := len(m.features) + 1; len(ac.list) < n {
		ac.list, ac.has = make([]int32, n), make([]uint64, n/64+1)
	}
	clear(ac.has)
	ac.has[0] = 1
	ac.n, ac.traits, ac.values = 0, ac.traits[:0], ac.values[:0]
}

// binary returns the binary features in the order in which they were put.
func (ac *activation) binary() []int32 { return ac.list[:ac.n] }

func (ac *activation) add(m *linear, f feature) { ac.put(m.find(f) + 1) }

// put notes a binary feature, given as its number + 1, unless it is known or 0.
// It does not branch on that, since no processor could guess it.
func (ac *activation) put(number int32) {
	w := &ac.has[number>>6]
	known := int(*w >> (number & 63) & 1)
	*w |= 1 << (number & 63)
	ac.list[ac.n] = number - 1
	ac.n += 1 - known
}

func (ac *activation) trait(m *linear, t traitID, value float64) {
	if value == 0 {
		return
	}
	if i := m.traitOf[t] - 1; i >= 0 {
		ac.traits, ac.values = append(ac.traits, i), append(ac.values, value*traitScale)
	}
}

// traitScale brings traits to the size of the other features.
const traitScale = 0.15

// norm is the value of each binary feature: texts count alike, however long.
func (ac *activation) norm() float64 { return 1 / math.Sqrt(float64(ac.n)+1) }

// answerSums returns the calibrated log odds of each class of a model of answers.
func (m *linear) answerSums(ac *activation) (z [answerColumns]float64) {
	for _, i := range ac.binary() {
		w := m.weights[int(i)*answerColumns:][:answerColumns]
		z[0], z[1], z[2] = z[0]+float64(w[0]), z[1]+float64(w[1]), z[2]+float64(w[2])
	}
	n := ac.norm()
	for c := range z {
		z[c] *= n
		for k, i := range ac.traits {
			z[c] += float64(m.weights[int(i)*answerColumns+c]) * ac.values[k]
		}
		z[c] = (z[c]+m.bias[c])*m.scale[c] + m.shift[c]
	}
	return z
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// loadLinear reads a model file: tab-separated lines of a feature's name and
// its weights, after lines "bias", "scale" and "shift".
func loadLinear(an *analyser, data string) (*linear, error) {
	m := &linear{}
	number := 0
	sc := bufio.NewScanner(strings.NewReader(data))
	for sc.Scan() {
		number++
		if text := sc.Text(); text != "" && text[0] != '#' {
			if err := m.line(an, text); err != nil {
				return nil, fmt.Errorf("model line %d: %w", number, err)
			}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if len(m.bias) == 0 || len(m.scale) != m.classes || len(m.shift) != m.classes {
		return nil, fmt.Errorf("model: no bias, scale or shift")
	}
	m.build()
	return m, nil
}

func (m *linear) line(an *analyser, text string) error {
	fields := strings.Split(text, "\t")
	row := make([]float64, len(fields)-1)
	for i, s := range fields[1:] {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("weight: %w", err)
		}
		row[i] = v
	}
	switch fields[0] {
	case "bias":
		m.bias, m.classes = row, len(row)
		return nil
	case "scale":
		m.scale = row
		return nil
	case "shift":
		m.shift = row
		return nil
	}
	f, err := an.parseFeature(fields[0])
	if err != nil {
		return err
	}
	if len(row) != m.classes {
		return fmt.Errorf("%d weights, want %d", len(row), m.classes)
	}
	m.features = append(m.features, f)
	for _, v := range row {
		m.weights = append(m.weights, float32(v))
	}
	return nil
}

// render writes the model file, features sorted by name.
func (m *linear) render(an *analyser, head string) string {
	var b strings.Builder
	b.WriteString(head)
	row := func(name string, v []float64) {
		b.WriteString(name)
		for _, x := range v {
			b.WriteByte('\t')
			b.WriteString(strconv.FormatFloat(x, 'g', 4, 64))
		}
		b.WriteByte('\n')
	}
	row("bias", m.bias)
	row("scale", m.scale)
	row("shift", m.shift)
	names := make([]string, len(m.features))
	order := make([]int, len(m.features))
	for i, f := range m.features {
		names[i], order[i] = an.featureName(f), i
	}
	sort.Slice(order, func(i, j int) bool { return names[order[i]] < names[order[j]] })
	for _, i := range order {
		v := make([]float64, m.classes)
		for c := range v {
			v[c] = float64(m.weights[i*m.classes+c])
		}
		row(names[i], v)
	}
	return b.String()
}
