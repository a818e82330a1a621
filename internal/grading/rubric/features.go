package rubric

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// feature is a packed name: a section, a kind and two operands of 28 bits.
type feature uint64

// The kinds of features.
const (
	featConcept = iota + 1 // a meaning class in a sentence
	featPair               // two meaning classes, in order, near each other
	featWord               // a word
	featBigram             // two words side by side
	featLink               // two links of the chain in a sentence, or one twice
	featNear               // a meaning class near a sentence on the model's change
	featTrait              // a property of the whole text; see traits.go
)

// The sections of a text in which a feature may be counted.
const (
	anywhere = iota
	firstSentence
	lastSentence
	middle
	attributed // said of, or by, somebody else
)

var sectionNames = [...]string{"", "first|", "last|", "mid|", "other|"}

const operandMask = 1<<28 - 1

func makeFeature(section, kind int, a, b uint32) feature {
	return feature(uint64(section)<<60 | uint64(kind)<<56 | uint64(a&operandMask)<<28 | uint64(b&operandMask))
}

func (f feature) section() int   { return int(f >> 60) }
func (f feature) kind() int      { return int(f>>56) & 15 }
func (f feature) first() uint32  { return uint32(f>>28) & operandMask }
func (f feature) second() uint32 { return uint32(f) & operandMask }

// pairReach is how far apart, in items, two classes make a pair.
const pairReach = 4

// conceptFeatures emits the classes of a sentence and, if pairs is set, their
// ordered pairs up to pairReach apart.
func conceptFeatures(a *analysis, s *sentence, section int, pairs bool, emit func(feature)) {
	items := a.items[s.itemFrom:s.itemTo]
	for i := range items {
		for p := items[i].set; p != 0; p &= p - 1 {
			c := operand(p, items[i].neg)
			emit(makeFeature(section, featConcept, c, 0))
			if !pairs {
				continue
			}
			for j := i + 1; j < len(items) && j <= i+pairReach; j++ {
				for q := items[j].set; q != 0; q &= q - 1 {
					emit(makeFeature(section, featPair, c, operand(q, items[j].neg)))
				}
			}
		}
	}
}

// wordFeatures emits the words and bigrams of a sentence. With negation set, a
// word within reach of a negation is another feature than the plain word.
func wordFeatures(a *analysis, s *sentence, section int, negation bool, emit func(feature)) {
	prev := uint32(0)
	for i := s.from; i < s.to; i++ {
		t := &a.tokens[i]
		if t.kind != kindWord || t.word == 0 {
			if t.kind == kindWord || t.kind == kindComma {
				prev = 0
			}
			continue
		}
		w := uint32(t.word)
		n := w << 1
		if negation && t.negated {
			n |= 1
		}
		emit(makeFeature(section, featWord, n, 0))
		if prev != 0 {
			emit(makeFeature(section, featBigram, prev, w))
		}
		prev = w
	}
}

// linkFeatures emits the links of a sentence and their pairs.
func linkFeatures(s *sentence, emit func(feature)) {
	for f := s.links; f != 0; f &= f - 1 {
		i := uint32(bits.TrailingZeros32(uint32(f)))
		for g := f; g != 0; g &= g - 1 {
			emit(makeFeature(anywhere, featLink, i, uint32(bits.TrailingZeros32(uint32(g)))))
		}
	}
}

// nearFeatures emits the classes of a sentence near one on the model's change.
func nearFeatures(a *analysis, s *sentence, emit func(feature)) {
	if !s.near {
		return
	}
	for _, it := range a.items[s.itemFrom:s.itemTo] {
		for p := it.set; p != 0; p &= p - 1 {
			emit(makeFeature(anywhere, featNear, operand(p, it.neg), 0))
		}
	}
}

// operand packs the lowest class of a set with its negation.
func operand(set concepts, neg bool) uint32 {
	c := uint32(bits.TrailingZeros64(uint64(set))) << 1
	if neg {
		c |= 1
	}
	return c
}

// featureName renders a feature for the model file and for explanations.
func (an *analyser) featureName(f feature) string {
	sign := func(x uint32) string {
		if x&1 == 1 {
			return "!"
		}
		return ""
	}
	class := func(x uint32) string { return sign(x) + an.lex.names[x>>1] }
	word := func(w uint32) string { return an.lex.vocab.words[w] }
	section := sectionNames[f.section()]
	switch f.kind() {
	case featConcept:
		return section + "class:" + class(f.first())
	case featPair:
		return section + "classes:" + class(f.first()) + ">" + class(f.second())
	case featLink:
		return section + "links:" + linkNames[f.first()] + ">" + linkNames[f.second()]
	case featNear:
		return section + "near:" + class(f.first())
	case featWord:
		return section + "word:" + sign(f.first()) + word(f.first()>>1)
	case featBigram:
		return section + "words:" + word(f.first()) + " " + word(f.second())
	default:
		return "trait:" + answerTraitNames[f.first()]
	}
}

// parseFeature is the inverse of featureName. Unknown words are numbered.
func (an *analyser) parseFeature(name string) (feature, error) {
	section := anywhere
	for i := len(sectionNames) - 1; i > 0; i-- {
		if rest, ok := strings.CutPrefix(name, sectionNames[i]); ok {
			section, name = i, rest
		}
	}
	kind, rest, _ := strings.Cut(name, ":")
	word := func(s string) uint32 { return uint32(an.lex.vocab.addStem(s)) }
	class := func(s string) (uint32, error) {
		s, neg := strings.CutPrefix(s, "!")
		set, err := an.lex.set(s)
		if err != nil {
			return 0, fmt.Errorf("feature %q: %w", name, err)
		}
		return operand(set, neg), nil
	}
	switch kind {
	case "class":
		c, err := class(rest)
		return makeFeature(section, featConcept, c, 0), err
	case "classes":
		l, r, _ := strings.Cut(rest, ">")
		a, err := class(l)
		if err != nil {
			return 0, err
		}
		b, err := class(r)
		return makeFeature(section, featPair, a, b), err
	case "near":
		c, err := class(rest)
		return makeFeature(section, featNear, c, 0), err
	case "links":
		l, r, _ := strings.Cut(rest, ">")
		i, j := slices.Index(linkNames[:], l), slices.Index(linkNames[:], r)
		if i < 0 || j < 0 {
			return 0, fmt.Errorf("feature %q: unknown link", name)
		}
		return makeFeature(section, featLink, uint32(i), uint32(j)), nil
	case "word":
		w, neg := strings.CutPrefix(rest, "!")
		n := word(w) << 1
		if neg {
			n |= 1
		}
		return makeFeature(section, featWord, n, 0), nil
	case "words":
		l, r, _ := strings.Cut(rest, " ")
		return makeFeature(section, featBigram, word(l), word(r)), nil
	case "trait":
		if t := slices.Index(answerTraitNames[:], rest); t >= 0 {
			return makeFeature(anywhere, featTrait, uint32(t), 0), nil
		}
	}
	return 0, fmt.Errorf("feature %q is of no known kind", name)
}
