package sim

import (
	"math/rand/v2"
	"strings"
)

// A phrase is text with choices in braces, which may nest, and with slots:
//
//	"{I can see|It is plain} that \"$ask\" {would|could} hurt {someone|a person}."
//
// Each choice is equally likely. The text between two signs stands for itself.
type phrase []node

// node is one of: literal text, a slot, a choice.
type node struct {
	text   string
	slot   string
	choice []phrase
}

// The slots: the user's words, and one word after another of those that say
// what they are about.
const (
	askSlot = "$ask"
	keySlot = "$key"
)

// filler is what the slots of one reply are filled with.
type filler struct {
	ask string
	// keys is never empty; used counts those that were written.
	keys []string
	used int
}

func (f *filler) fill(slot string) string {
	if slot == askSlot {
		return f.ask
	}
	f.used++
	return f.keys[(f.used-1)%len(f.keys)]
}

// compile reads a phrase. The phrases are all of this package, and a test
// compiles every one, so a brace without its partner is read leniently.
func compile(source string) phrase {
	p, _ := compileUntil(source, 0, "")
	return p
}

// compileUntil reads from position i up to one of the stop bytes outside of
// inner braces and returns the position of that byte.
func compileUntil(source string, i int, stop string) (phrase, int) {
	var p phrase
	literal := i
	flush := func(end int) {
		if end > literal {
			p = append(p, node{text: source[literal:end]})
		}
	}
	for i < len(source) {
		switch {
		case strings.IndexByte(stop, source[i]) >= 0:
			flush(i)
			return p, i
		case source[i] == '{':
			flush(i)
			var n node
			for {
				option, at := compileUntil(source, i+1, "|}")
				n.choice = append(n.choice, option)
				i = at
				if i >= len(source) || source[i] == '}' {
					break
				}
			}
			p = append(p, n)
			i++
			literal = i
		case strings.HasPrefix(source[i:], askSlot), strings.HasPrefix(source[i:], keySlot):
			flush(i)
			p = append(p, node{slot: source[i : i+len(askSlot)]})
			i += len(askSlot)
			literal = i
		default:
			i++
		}
	}
	flush(min(i, len(source)))
	return p, i
}

// expand writes the phrase with every choice made.
func (p phrase) expand(b *strings.Builder, rng *rand.Rand, f *filler) {
	for _, n := range p {
		switch {
		case n.slot != "":
			b.WriteString(f.fill(n.slot))
		case n.choice != nil:
			n.choice[rng.IntN(len(n.choice))].expand(b, rng, f)
		default:
			b.WriteString(n.text)
		}
	}
}

// ways counts the texts that the phrase can become, slots aside.
func (p phrase) ways() float64 {
	product := 1.0
	for _, n := range p {
		if n.choice == nil {
			continue
		}
		sum := 0.0
		for _, option := range n.choice {
			sum += option.ways()
		}
		product *= sum
	}
	return product
}

// pool is a set of phrases of which one is used at a time.
type pool []phrase

func newPool(sources ...string) pool {
	p := make(pool, len(sources))
	for i, source := range sources {
		p[i] = compile(source)
	}
	return p
}

func (p pool) pick(rng *rand.Rand) phrase { return p[rng.IntN(len(p))] }

func (p pool) ways() float64 {
	sum := 0.0
	for _, one := range p {
		sum += one.ways()
	}
	return sum
}
