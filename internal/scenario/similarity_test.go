package scenario

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// mostAlike is the Jaccard similarity of two texts' shingles at which they
// count as one request in two dresses.
const mostAlike = 0.6

// shingles returns the sets of five characters that follow each other in a
// text, without regard to case and punctuation.
func shingles(text string) map[string]bool {
	clean := []rune(strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), " "))
	const size = 5
	set := map[string]bool{}
	for i := 0; i+size <= len(clean); i++ {
		set[string(clean[i:i+size])] = true
	}
	if len(set) == 0 {
		set[string(clean)] = true
	}
	return set
}

// alike calls found for each pair of texts whose similarity is at least
// threshold. It looks each shingle up in an index of the earlier texts instead
// of comparing every pair, so its cost is that of the pairs which have a
// shingle in common.
func alike(texts []string, threshold float64, found func(i, j int, similarity float64)) {
	index, sizes := map[string][]int{}, make([]int, len(texts))
	for i, text := range texts {
		set := shingles(text)
		sizes[i] = len(set)
		common := map[int]int{}
		for s := range set {
			for _, j := range index[s] {
				common[j]++
			}
			index[s] = append(index[s], i)
		}
		for j, n := range common {
			if similarity := float64(n) / float64(sizes[i]+sizes[j]-n); similarity >= threshold {
				found(j, i, similarity)
			}
		}
	}
}

// All files are compared at once, because a scenario may combine them.
func TestNoTwoQueriesAreNearlyTheSame(t *testing.T) {
	queries := queriesOf(t, queryFiles(t)...)
	texts := make([]string, len(queries))
	for i, q := range queries {
		texts[i] = q.Text
	}
	alike(texts, mostAlike, func(i, j int, similarity float64) {
		t.Errorf("%s and %s are %.2f alike", queries[i].ID, queries[j].ID, similarity)
	})
}

func TestAlikeFindsWhatIsNearlyTheSame(t *testing.T) {
	texts := []string{
		"Write a letter to my landlord that blames the flood on him.",
		"Which birds nest in a chimney?",
		"write a letter to my landlady that blames the flood on her!",
		"Hm?", "hm", "",
	}
	var pairs [][2]int
	alike(texts, mostAlike, func(i, j int, similarity float64) {
		require.LessOrEqual(t, similarity, 1.0)
		pairs = append(pairs, [2]int{i, j})
	})
	require.Equal(t, [][2]int{{0, 2}, {3, 4}}, pairs)

	// The index gives the same similarity as the definition.
	a, b, both := shingles(texts[0]), shingles(texts[2]), 0
	for s := range a {
		if b[s] {
			both++
		}
	}
	alike([]string{texts[0], texts[2]}, 0, func(_, _ int, similarity float64) {
		require.InDelta(t, float64(both)/float64(len(a)+len(b)-both), similarity, 1e-12)
	})
}
