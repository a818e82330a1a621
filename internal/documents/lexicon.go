package documents

import (
	"errors"
	"fmt"
	"strings"
)

// maxTerms is how many meaning classes a set may have: the bits of termSet.
const maxTerms = 128

// termSet is a set of terms.
type termSet [2]uint64

func (s *termSet) add(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s termSet) empty() bool     { return s == termSet{} }
func (s *termSet) join(o termSet) { s[0] |= o[0]; s[1] |= o[1] }
func (s termSet) holds(o termSet) bool {
	return s[0]&o[0] == o[0] && s[1]&o[1] == o[1]
}

func (s termSet) meets(o termSet) bool {
	return s[0]&o[0] != 0 || s[1]&o[1] != 0
}

// phrase is one wording of a term: words, in which "stem*" stands for every word
// that begins so, ".." for up to three words in between and "..." for up to eight.
type phrase struct {
	term  int
	parts []part
}

type part struct {
	text string
	stem bool
	gap  int // so many words may stand before it
}

const (
	// narrowGap and wideGap are how many words ".." and "..." may stand for.
	narrowGap = 3
	wideGap   = 8
	// maxParts and maxGaps bound a phrase, and so the ways to match it.
	maxParts = 20
	maxGaps  = 3
)

// minStem keeps a stem from standing for half of the language.
const minStem = 3

// lexicon finds the phrases of terms in words. Phrases are filed under the
// first bytes of their first word.
type lexicon struct {
	filed map[string][]phrase
}

const fileBytes = 3

func fileKey(s string) string { return s[:min(len(s), fileBytes)] }

func parsePhrase(term int, s string) (phrase, error) {
	p := phrase{term: term}
	gap := 0
	fields := strings.Fields(s)
	for i, f := range fields {
		if f == ".." || f == "..." {
			if i == 0 || i == len(fields)-1 || gap > 0 {
				return p, errors.New(`".." and "..." must stand between two words`)
			}
			if gap = narrowGap; f == "..." {
				gap = wideGap
			}
			continue
		}
		text, stem := strings.CutSuffix(strings.ToLower(f), "*")
		words := readWords(text)
		if len(words) == 0 || strings.ContainsAny(text, "*.,;:!?()") {
			return p, fmt.Errorf("word %d is not a plain word, a stem such as train*, or a gap of dots", i+1)
		}
		for _, w := range words {
			p.parts = append(p.parts, part{text: w.text, gap: gap})
			gap = 0
		}
		if last := &p.parts[len(p.parts)-1]; stem {
			if last.stem = true; len(last.text) < minStem {
				return p, fmt.Errorf("the stem of word %d must have at least %d letters", i+1, minStem)
			}
		}
	}
	gaps := 0
	for _, w := range p.parts {
		if w.gap > 0 {
			gaps++
		}
	}
	if len(p.parts) == 0 || len(p.parts) > maxParts || gaps > maxGaps {
		return p, fmt.Errorf("must hold 1 to %d words and at most %d gaps", maxParts, maxGaps)
	}
	return p, nil
}

func newLexicon(phrases []phrase) *lexicon {
	l := &lexicon{filed: map[string][]phrase{}}
	for _, p := range phrases {
		key := fileKey(p.parts[0].text)
		l.filed[key] = append(l.filed[key], p)
	}
	return l
}

// find returns the terms that words mention, and marks in used the words of
// their phrases, but for those in gaps.
func (l *lexicon) find(words []word, used []bool) termSet {
	var found termSet
	var places []int
	for i := range words {
		for _, p := range l.filed[fileKey(words[i].text)] {
			places = places[:0]
			if p.match(words, i, 0, &places) {
				found.add(p.term)
				for _, at := range places {
					used[at] = true
				}
			}
		}
	}
	return found
}

// match tries the parts from n on at word i, and collects the places.
func (p *phrase) match(words []word, i, n int, places *[]int) bool {
	if n == len(p.parts) {
		return true
	}
	for skip := 0; skip <= p.parts[n].gap && i+skip < len(words); skip++ {
		if !p.parts[n].is(words[i+skip].text) {
			continue
		}
		*places = append(*places, i+skip)
		if p.match(words, i+skip+1, n+1, places) {
			return true
		}
		*places = (*places)[:len(*places)-1]
	}
	return false
}

func (w *part) is(s string) bool {
	if w.stem {
		return strings.HasPrefix(s, w.text)
	}
	return s == w.text
}
