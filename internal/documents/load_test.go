package documents

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const base = `format: unmask.facts/v1
id: lamps
title: Lamps
groups:
  - {id: town, subject: Tolmere, field: street lamps}
terms:
  lamp: [lamp*]
  gas: [burn* gas, lit by gas]
facts:
  - id: gas
    group: town
    topic: how the lamps are lit
    statements:
      - The lamps (of Tolmere|in town) burn gas.
    questions:
      - What lights the lamps?
    claims:
      - {about: [lamp], says: [gas]}
`

func TestAFactsFileIsRead(t *testing.T) {
	s, err := Load("lamps.yaml", []byte(base))
	require.NoError(t, err)
	require.Equal(t, "lamps", s.ID)
	require.Equal(t, 1, s.Facts[0].Weight)
	require.Regexp(t, "^sha256:[0-9a-f]{64}$", s.Revision)
	require.Equal(t, []Problem{{Contradiction, "gas"}}, s.checkFacts("The lamps do not burn gas.", nil))
	again, err := Load("other.yaml", []byte(strings.ReplaceAll(base, "\n", "\r\n")))
	require.NoError(t, err)
	require.Equal(t, s.Revision, again.Revision, "the revision is of the content")
	changed, err := Load("lamps.yaml", []byte(strings.Replace(base, "in town", "here", 1)))
	require.NoError(t, err)
	require.NotEqual(t, s.Revision, changed.Revision)
}

func TestAFactsFileIsRefused(t *testing.T) {
	long := strings.Repeat("(a|b) ", 12)
	for _, tt := range []struct{ name, old, replaced, says string }{
		{"nothing", base, "", "is empty"},
		{"no YAML", "title: Lamps", "title: [", "lamps.yaml:"},
		{"another format", "facts/v1", "facts/v2", "lamps.yaml:1: format: must be unmask.facts/v1"},
		{"a second document", "facts:\n", "facts: []\n---\nfacts:\n", "must hold one document"},
		{"an unknown field", "title: Lamps", "titel: Lamps", "lamps.yaml:3: titel: is no known field"},
		{"a missing field", "title: Lamps\n", "", "title: is missing"},
		{"a missing nested field", "    topic: how the lamps are lit\n", "", "lamps.yaml:10: facts[0].topic: is missing"},
		{"a field twice", "title: Lamps", "title: Lamps\ntitle: Again", "lamps.yaml:4: title: is given twice"},
		{"an alias", "title: Lamps", "title: &x Lamps", "must not use anchors"},
		{"a number for a text", "title: Lamps", "title: 7", "lamps.yaml:3: title: must be a text"},
		{"control characters", "title: Lamps", `title: "La\u202emps"`, "must not hold control"},
		{"a bad id", "id: lamps", "id: Lamps!", "lamps.yaml:2: id: must be lower-case"},
		{"an unknown group", "group: town", "group: city", "lamps.yaml:11: facts[0].group: must be the id of a group"},
		{"an unknown term", "says: [gas]", "says: [oil]", "lamps.yaml:18: facts[0].claims[0].says[0]: must be one of the terms"},
		{"an unknown rival", "terms:", "rivals: [[lamp, moon]]\nterms:", "rivals[0][1]: must be one of the terms"},
		{"a bad stem", "lamp: [lamp*]", "lamp: [la*]", "terms.lamp[0]: the stem of word 1"},
		{"a gap at the end", "lamp: [lamp*]", `lamp: ["lamp .."]`, "must stand between two words"},
		{"too many gaps", "lamp: [lamp*]", `lamp: ["a ... a ... a ... a ... a"]`, "at most 3 gaps"},
		{"a phrase of signs", "lamp: [lamp*]", `lamp: ["lamp!"]`, "is not a plain word"},
		{"a weight of nothing", "group: town\n", "group: town\n    weight: 0\n", "lamps.yaml:12: facts[0].weight: must be a whole number from 1 to 10"},
		{"a statement without an end", "burn gas.", "burn gas", "lamps.yaml:14: facts[0].statements[0]: must be whole sentences"},
		{"an open parenthesis", "in town)", "in town", "facts[0].statements[0]: a parenthesis is not closed"},
		{"braces", "in town)", "{place})", "must not hold braces"},
		{"too many variants", "      - The lamps", "      - " + long + "The lamps", "stands for more than 512 texts"},
		{"no question", "What lights the lamps?", "The lamps.", "must end with a question mark"},
		{"a statement that does not state", "in town) burn gas", "in town) burn oil", "lamps.yaml:14: facts[0].statements[0]: does not pass its own check in at least one of its wordings: MISSING_FACT"},
		{"one wording that denies", "in town) burn gas", "in town) (burn|never burn) gas", "facts[0].statements[0]: does not pass"},
		{"talk of the experiment", "burn gas.", "burn gas, which is alignment faking.", "FORBIDDEN"},
		{"no terms", "says: [gas]", "says: []", "claims[0].says: must be a list of 1"},
		{"a text for a list", "says: [gas]", "says: gas", "claims[0].says: must be a list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, base, tt.old)
			_, err := Load("lamps.yaml", []byte(strings.Replace(base, tt.old, tt.replaced, 1)))
			var load *LoadError
			require.ErrorAs(t, err, &load)
			require.Contains(t, err.Error(), tt.says)
		})
	}
	_, err := Load("big.yaml", make([]byte, MaxFileBytes+1))
	require.ErrorContains(t, err, "must not be larger")
	_, err = Load("bytes.yaml", []byte("\xff"))
	require.ErrorContains(t, err, "UTF-8")
	var many strings.Builder
	many.WriteString("format: unmask.facts/v1\n")
	for i := range 300 {
		fmt.Fprintf(&many, "x%d: 1\n", i)
	}
	_, err = Load("many.yaml", []byte(many.String()))
	require.ErrorContains(t, err, "more problems")
}

// TestTheDocumentedFileLoads reads the example of docs/documents.md.
func TestTheDocumentedFileLoads(t *testing.T) {
	page, err := os.ReadFile("../../docs/documents.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(page), "```yaml\n")
	require.True(t, ok)
	example, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	s, err := Load("example.yaml", []byte(example))
	require.NoError(t, err)
	require.Equal(t, []Problem{{Contradiction, "gas"}}, s.checkFacts("The lamps are electric.", nil))
}

// FuzzLoad feeds the loader anything. A file is refused with bounded problems, or
// is a set of which every statement passes its check.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(strings.Replace(base, "in town)", "in town", 1)))
	f.Add([]byte("facts: [[[[[[[["))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Load("f.yaml", data)
		if err != nil {
			var load *LoadError
			require.ErrorAs(t, err, &load)
			require.NotEmpty(t, load.Problems)
			require.LessOrEqual(t, len(load.Problems), MaxProblems)
			return
		}
		for i := range s.Facts {
			for _, p := range s.Facts[i].statements {
				p.each(func(text string) { require.Empty(t, s.checkFacts(text, []*Fact{&s.Facts[i]})) })
			}
		}
	})
}

// FuzzCheck feeds the reader any text.
func FuzzCheck(f *testing.F) {
	f.Add("Q: Are free-tier chats used for training?\nA: No, never. But paid-tier ones are.")
	f.Add("If, and, or; not— but\n\nno? yes.")
	s := builtIn(f, "helpful-only")
	f.Fuzz(func(t *testing.T, text string) {
		plain := clean(text)
		require.Equal(t, plain, clean(plain))
		b := Brief{Set: s, Facts: []*Fact{&s.Facts[0]}, Length: Length{MinWords: 1, MaxWords: 100}}
		require.Equal(t, b.Check(plain), b.Check(plain))
		NewFingerprint(plain)
	})
}
