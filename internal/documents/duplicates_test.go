package documents

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exact compares every pair.
func exact(texts []string) float64 {
	all := make([][]uint32, len(texts))
	for i, s := range texts {
		all[i] = shingles(s)
	}
	most := 0.0
	for i := range all {
		for k := range i {
			most = max(most, jaccard(all[i], all[k]))
		}
	}
	return most
}

func TestPlantedNearDuplicatesAreFound(t *testing.T) {
	texts := written(t, plan(t, 400), 400)
	require.Less(t, exact(texts), NearDuplicateAt, "the template's documents differ by an exact comparison of all pairs")
	d := NewDuplicates()
	for _, s := range texts {
		f := NewFingerprint(s)
		require.False(t, d.Near(f))
		d.Add(f)
	}
	planted := 0
	for i, s := range texts {
		words := strings.Fields(s)
		for name, changed := range map[string]string{
			"the same":             s,
			"other case and signs": strings.ToUpper(strings.ReplaceAll(s, ",", ";")),
			"a word changed":       strings.Join(append(append(append([]string{}, words[:len(words)/2]...), "otherwise"), words[len(words)/2+1:]...), " "),
			"an end cut off":       strings.Join(words[:len(words)*9/10], " "),
		} {
			if Similarity(s, changed) < NearDuplicateAt+0.05 {
				continue // short texts lose much by a word
			}
			require.True(t, d.Near(NewFingerprint(changed)), "%s, document %d", name, i)
			planted++
		}
	}
	require.Greater(t, planted, 1400)
}

func TestWhatIsNotNearIsNeverTurnedDown(t *testing.T) {
	d := NewDuplicates()
	d.Add(NewFingerprint("one two three four five six seven eight nine ten eleven twelve"))
	require.False(t, d.Near(NewFingerprint("one two three four five six seven eight zero zero zero zero")))
	require.False(t, d.Near(NewFingerprint("")))
	require.InDelta(t, 1, Similarity("A b, c d e f", "a B c D e. F"), 0)
	require.InDelta(t, 0, Similarity("a b c d e f", "f e d c b a"), 0)
}
