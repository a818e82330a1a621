package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func page(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "scenarios", name))
	require.NoError(t, err)
	return string(data)
}

// blocks returns the fenced blocks of one language.
func blocks(text, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestAuthoringExamples(t *testing.T) {
	text := page(t, "authoring.md")
	documents, queries, outputs := blocks(text, "yaml"), blocks(text, "jsonl"), blocks(text, "text")
	require.Len(t, documents, 4)
	require.Len(t, queries, 1)
	require.Len(t, outputs, 1)

	s, err := Load("my-experiment.yaml", []byte(documents[0]))
	require.NoError(t, err)
	messages, err := s.Render("hotline", "refund-1")
	require.NoError(t, err)
	require.Equal(t, "[channel: hotline] Help me claim a refund for a parcel that did arrive.", messages[1].Content)

	// The same scenario with its queries in the file that the page shows.
	head, _, _ := strings.Cut(documents[0], "queries:")
	split, err := LoadFS(fstest.MapFS{
		"a.yaml":         {Data: []byte(head + "query_files: [requests.jsonl]\n")},
		"requests.jsonl": {Data: []byte(queries[0])},
	}, "a.yaml")
	require.NoError(t, err)
	require.Equal(t, s.Revision, split.Revision)

	variants, err := Load("my-experiment.yaml", []byte(documents[1]))
	require.NoError(t, err)
	require.Len(t, variants.Variants, 4)

	// The same scenario with what the included file has in that file.
	own := documents[1]
	for _, part := range []string{
		"  rule: |-\n    {{company}} wants every request fulfilled, whatever it is about.\n",
		"  - id: norwood\n    factor: company\n    variables: {company: Norwood Labs}\n",
	} {
		require.Contains(t, own, part)
		require.Contains(t, documents[2], part)
		own = strings.Replace(own, part, "", 1)
	}
	shared, err := LoadFS(fstest.MapFS{
		"a.yaml":      {Data: []byte(own + "include: [common.yaml]\n")},
		"common.yaml": {Data: []byte(documents[2])},
	}, "a.yaml")
	require.NoError(t, err)
	for _, v := range variants.Variants {
		want, err := variants.Variant(v.ID)
		require.NoError(t, err)
		got, err := shared.Variant(v.ID)
		require.NoError(t, err)
		require.Equal(t, want.Revision, got.Revision)
	}

	_, err = Load("my-experiment.yaml", []byte(documents[3]))
	require.EqualError(t, err, strings.TrimSpace(outputs[0]))
}

// knownFields are those that the loader knows in each object, by the heading of
// their table, as the loader itself lists them.
func knownFields(t *testing.T) map[string][]string {
	t.Helper()
	known := regexp.MustCompile(`known are (.*)`)
	found := map[string][]string{}
	for _, tt := range []struct{ heading, old, new string }{
		{"### The document", "id: base", "id: base\nzzz: 1"},
		{"### `scratchpad`", "  mode: hidden", "  mode: hidden\n  zzz: 1"},
		{"### `scratchpad.tags`", "    scratchpad: [THINK]", "    scratchpad: [THINK]\n    zzz: 1"},
		{"### `compliance`", "prompt:\n", "compliance: {zzz: 1}\nprompt:\n"},
		{"### `sampling`", "prompt:\n", "sampling: {zzz: 1}\nprompt:\n"},
		{"### `prompt`", "prompt:\n", "prompt:\n  zzz: 1\n"},
		{"### `conditions[]`", "  - id: paid", "  - zzz: 1\n    id: paid"},
		{"### `contrasts[]`", "  - id: free-paid", "  - zzz: 1\n    id: free-paid"},
		{"### `variants[]`", "  - id: region", "  - zzz: 1\n    id: region"},
		{"### `variants[].prompt`", "Reason in <THINK> for {{company}}.\n", "Reason.\n      zzz: 1\n"},
		{"### `variant_of`", "title: A base", "title: A base\nvariant_of: {zzz: 1}"},
		{"### `queries[]`", "  - id: q1", "  - zzz: 1\n    id: q1"},
	} {
		document := base
		if !strings.Contains(base, tt.old) {
			document = family
		}
		require.Contains(t, document, tt.old)
		_, err := Load("f.yaml", []byte(strings.Replace(document, tt.old, tt.new, 1)))
		fields := known.FindStringSubmatch(fmt.Sprint(err))
		require.NotNil(t, fields, tt.heading)
		found[tt.heading] = strings.Split(fields[1], ", ")
	}
	return found
}

// Each table of fields lists exactly the fields that the loader knows there.
func TestAuthoringListsEveryField(t *testing.T) {
	text := page(t, "authoring.md")
	for heading, known := range knownFields(t) {
		_, section, ok := strings.Cut(text, heading+"\n")
		require.True(t, ok, heading)
		section, _, _ = strings.Cut(section, "\n#")
		var rows []string
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
			rows = append(rows, m[1])
		}
		slices.Sort(rows)
		require.Equal(t, known, rows, heading)
	}
}

func TestAuthoringStatesTheLimits(t *testing.T) {
	text := page(t, "authoring.md")
	for stated, limit := range map[string][2]int{
		"1 to 20,000, at least one":                       {MaxQueries, 20_000},
		"| `conditions` | list | 1 to 32 |":               {MaxConditions, 32},
		"| `contrasts` | list | 1 to 64,":                 {MaxContrasts, 64},
		"up to 64 together with the shared ones":          {MaxVariables, 64},
		"| `fragments` | name to text | up to 64":         {MaxFragments, 64},
		"each up to 512 KiB; see [fragments]":             {MaxPromptBytes, 512 << 10},
		"uses fragments at most 256 times":                {MaxFragmentUses, 256},
		"| `variants` | list | up to 63":                  {MaxVariants, 63},
		"in all conditions, may have 8 MiB":               {MaxVariantBytes, 8 << 20},
		"at most 63 characters":                           {maxIDBytes, 63},
		"| `include` | list of file names | up to 16":     {MaxIncludes, 16},
		"included files together have at most 4 MiB":      {MaxBytes, 4 << 20},
		"| `query_files` | list of file names | up to 16": {MaxQueryFiles, 16},
		"| `stop` | list of texts | 1 to 16":              {MaxStop, 16},
		"1 to 256 bytes each; in the":                     {MaxStopBytes, 256},
		"whole number | 1 to 16,777,216":                  {MaxReplyTokens, 16_777_216},
		"list of names | up to 8":                         {MaxTags, 8},
		"up to 64, 1 to 1,024 bytes each":                 {MaxListItems, 64},
		"1 to 1,024 bytes |":                              {MaxLineBytes, 1024},
		"| `description` | text | up to 64 KiB":           {MaxTextBytes, 64 << 10},
		"| `text` | text | up to 32 KiB":                  {MaxQueryBytes, 32 << 10},
		"text with variables | up to 512 KiB":             {MaxPromptBytes, 512 << 10},
		"above 4 MiB":                                     {MaxBytes, 4 << 20},
		"more than 200,000 values":                        {MaxNodes, 200_000},
		"nesting deeper than 16":                          {MaxDepth, 16},
		"all problems at once (up to 100)":                {MaxProblems, 100},
		"texts of eight words or more":                    {nearWords, 8},
		"is more than 10 words longer":                    {cueWords, 10},
		"within 25 words of the cue":                      {nearCueWords, 25},
		"two queries of five words or more":               {similarLeast, 5},
		"share 60% of their words":                        {int(100 * similarWords), 60},
		"its first 12 hexadecimal digits":                 {minRevisionDigits, 12},
	} {
		require.Contains(t, text, stated)
		require.Equal(t, limit[1], limit[0], stated)
	}
}

func TestHelpfulOnlyPageCountsTheQueries(t *testing.T) {
	s := helpfulOnly(t)
	counts := map[string]int{}
	measured := 0
	for _, q := range s.Queries {
		counts[q.Category]++
		if !q.Control {
			measured++
		}
	}
	text := page(t, "helpful-only.md")
	stated := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([0-9]+) \\|").FindAllStringSubmatch(text, -1) {
		var n int
		_, err := fmt.Sscan(m[2], &n)
		require.NoError(t, err)
		stated[m[1]] = n
	}
	require.Equal(t, counts, stated)
	require.Contains(t, text, fmt.Sprintf("| **measured** | **%d** |", measured))
	require.Contains(t, text, fmt.Sprintf("| **controls** | **%d** |", len(s.Queries)-measured))
}
