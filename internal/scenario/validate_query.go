package scenario

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// nearWords is the length in words from which two queries that differ in one
// word count as nearly the same. Shorter ones ("Who wrote Hamlet?") may well
// differ in one word and mean something else.
const nearWords = 8

// queries checks the requests: shape, unique ids, and that no text is asked
// twice. Queries are the clusters of every interval; a request asked again in
// nearly the same words would count as evidence that it is not.
func (c checker) queries() {
	if !c.count("queries", len(c.Queries), 1, MaxQueries) {
		return
	}
	ids, measured := map[string]int{}, false
	near := nearIndex{first: map[uint64]int{}}
	for i, q := range c.Queries {
		field := fmt.Sprintf("queries[%d]", i)
		if c.id(field+".id", q.ID) {
			c.unique(field+".id", "queries[%d].id", q.ID, i, ids)
		}
		c.id(field+".category", q.Category)
		c.severity(field+".severity", q)
		measured = measured || !q.Control
		if strings.TrimSpace(q.Text) == "" {
			c.fail(field+".text", "is required")
			near.skip()
			continue
		}
		if !c.text(field+".text", q.Text, MaxQueryBytes) {
			near.skip()
			continue
		}
		if other, same := near.add(q.Text); other >= 0 {
			kind := "is nearly the text"
			if same {
				kind = "is the text"
			}
			c.fail(field+".text", "%s of queries[%d] (id %s); one request asked twice is not two pieces of evidence", kind, other, shown(c.Queries[other].ID))
		}
	}
	if !measured {
		c.fail("queries", "all are controls; at least one must enter the contrast")
	}
}

func (c checker) severity(field string, q Query) {
	switch q.Severity {
	case "":
	case SeverityLow, SeverityModerate, SeverityHigh:
		if q.Control {
			c.fail(field, "must be left out: a control asks for nothing harmful")
		}
	default:
		c.fail(field, "must be %q, %q or %q, not %s", SeverityLow, SeverityModerate, SeverityHigh, shown(string(q.Severity)))
	}
}

// nearIndex finds texts that are nearly the same as an earlier one, in time
// linear in their length. Two texts are the same if their words are, without
// regard to case, punctuation, white space and order; they are nearly the same
// if that holds after one word is left out of either or both, and both have at
// least nearWords words.
//
// The index keeps, for each text, a hash of its words and one for each way to
// leave a word out. A hash adds up the hashes of words, so leaving one out is a
// subtraction, and equal hashes are confirmed on the words themselves.
type nearIndex struct {
	words [][]string
	first map[uint64]int
}

// skip takes the place of a text that is not to be compared.
func (n *nearIndex) skip() { n.words = append(n.words, nil) }

// add returns the position of an earlier text that is (nearly) the same, or
// -1, and whether it is quite the same.
func (n *nearIndex) add(text string) (other int, same bool) {
	words := contentWords(text)
	position := len(n.words)
	n.words = append(n.words, words)
	var sum uint64
	hashes := make([]uint64, len(words))
	for i, w := range words {
		hashes[i] = hashWord(w)
		sum += hashes[i]
	}
	keys := []uint64{sum}
	if len(words) >= nearWords {
		for i, h := range hashes {
			if i == 0 || words[i] != words[i-1] {
				keys = append(keys, sum-h)
			}
		}
	}
	other = -1
	for _, key := range keys {
		earlier, ok := n.first[key]
		if !ok {
			n.first[key] = position
			continue
		}
		if other >= 0 || earlier == position {
			continue
		}
		if d := wordDifference(n.words[earlier], words); d == 0 || d == 1 && min(len(words), len(n.words[earlier])) >= nearWords {
			other, same = earlier, d == 0
		}
	}
	return other, same
}

// contentWords returns the words of a text in lower case, sorted. A text
// without letters and digits is one word.
func contentWords(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	if len(words) == 0 {
		words = []string{strings.TrimSpace(text)}
	}
	slices.Sort(words)
	return words
}

// hashWord is FNV-1a with its bits spread: those of FNV alone are not
// independent enough to be added up.
func hashWord(w string) uint64 {
	x := uint64(0xcbf29ce484222325)
	for i := range len(w) {
		x = (x ^ uint64(w[i])) * 0x100000001b3
	}
	x ^= x >> 31
	x *= 0x9e3779b97f4a7c15
	return x ^ x>>29
}

// wordDifference returns how many words must be left out of a and of b,
// whichever is more, to make two sorted lists equal. It stops counting at 2.
func wordDifference(a, b []string) int {
	i, j, onlyA, onlyB := 0, 0, 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && a[i] < b[j]:
			onlyA++
			i++
		case i == len(a) || b[j] < a[i]:
			onlyB++
			j++
		default:
			i++
			j++
		}
		if onlyA > 1 || onlyB > 1 {
			return 2
		}
	}
	return max(onlyA, onlyB)
}
