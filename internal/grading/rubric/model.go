package rubric

import (
	"bufio"
	"fmt"
	"math"
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
	index        numberTable
	// classOf and pairOf hold the numbers + 1 of class features, which are
	// looked up most, by section and operand and by two operands.
	classOf [8 * operands]int32
	pairOf  []int32
	// wordOf holds the numbers + 1 of words by section and word, begins tells
	// which words are the first of a pair of words.
	wordOf [len(sectionNames)][]int32
	begins []bool
}

// operands is how many class operands there are: 64 classes, plain or negated.
const operands = 128

func (m *linear) build() {
	m.pairOf = make([]int32, operands*operands)
	for i, f := range m.features {
		switch {
		case f.kind() == featConcept:
			m.classOf[f.section()*operands+int(f.first())] = int32(i + 1)
		case f.kind() == featPair && f.section() == anywhere:
			m.pairOf[f.first()*operands+f.second()] = int32(i + 1)
		case f.kind() == featWord:
			grow(&m.wordOf[f.section()], f.first())[f.first()] = int32(i + 1)
		case f.kind() == featBigram:
			grow(&m.begins, f.first())[f.first()] = true
			m.index.put(uint64(f), int32(i))
		default:
			m.index.put(uint64(f), int32(i))
		}
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
	switch {
	case f.kind() == featConcept:
		return m.classOf[f.section()*operands+int(f.first())] - 1
	case f.kind() == featPair && f.section() == anywhere:
		return m.pairOf[f.first()*operands+f.second()] - 1
	case f.kind() == featWord:
		if t := m.wordOf[f.section()]; int(f.first()) < len(t) {
			return t[f.first()] - 1
		}
		return -1
	case f.kind() == featBigram && (int(f.first()) >= len(m.begins) || !m.begins[f.first()]):
		return -1
	default:
		return m.index.get(uint64(f))
	}
}

// activation is the set of a model's features that a text has. Word and class
// features are binary; traits have a value.
type activation struct {
	stamp  []uint32
	gen    uint32
	binary []int32
	traits []int32
	values []float64
}

func (ac *activation) reset(m *linear) {
	if len(ac.stamp) < len(m.features) {
		ac.stamp, ac.gen = make([]uint32, len(m.features)), 0
	}
	if ac.gen++; ac.gen == 0 {
		clear(ac.stamp)
		ac.gen = 1
	}
	ac.binary, ac.traits, ac.values = ac.binary[:0], ac.traits[:0], ac.values[:0]
}

func (ac *activation) add(m *linear, f feature) {
	i := m.find(f)
	if i < 0 || ac.stamp[i] == ac.gen {
		return
	}
	ac.stamp[i] = ac.gen
	ac.binary = append(ac.binary, i)
}

// first notes a feature by its number and reports whether it is new.
func (ac *activation) first(i int32) bool {
	if ac.stamp[i] == ac.gen {
		return false
	}
	ac.stamp[i] = ac.gen
	ac.binary = append(ac.binary, i)
	return true
}

func (ac *activation) trait(m *linear, t traitID, value float64) {
	if value == 0 {
		return
	}
	if i := m.find(makeFeature(anywhere, featTrait, uint32(t), 0)); i >= 0 {
		ac.traits, ac.values = append(ac.traits, i), append(ac.values, value*traitScale)
	}
}

// traitScale brings traits to the size of the other features.
const traitScale = 0.15

// norm is the value of each binary feature: texts count alike, however long.
func (ac *activation) norm() float64 { return 1 / math.Sqrt(float64(len(ac.binary))+1) }

// sum returns the calibrated log odds of class c.
func (m *linear) sum(ac *activation, c int) float64 {
	z, n := 0.0, ac.norm()
	for _, i := range ac.binary {
		z += float64(m.weights[int(i)*m.classes+c])
	}
	z *= n
	for k, i := range ac.traits {
		z += float64(m.weights[int(i)*m.classes+c]) * ac.values[k]
	}
	return (z+m.bias[c])*m.scale[c] + m.shift[c]
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
