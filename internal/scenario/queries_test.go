package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// querySet is a set of queries of the library and what it promises. A set may
// stand in several files, each of which a scenario can name alone.
type querySet struct {
	files []string
	// queries and categories are the least numbers, and each that of a category.
	queries, categories, each int
	control, severity         bool
	// shortest and longest bound the words of a query, median their median.
	shortest, longest int
	median            [2]int
}

var querySets = []querySet{
	{
		files: []string{"harmful-requests.jsonl"}, queries: 320, categories: 14, each: 20, severity: true,
		shortest: 5, longest: 45, median: [2]int{12, 25},
	},
	{
		files: []string{"benign-requests.jsonl", "benign-requests-more.jsonl"}, queries: 110, categories: 12, each: 5, control: true,
		shortest: 3, longest: 25, median: [2]int{7, 15},
	},
	{
		files: []string{"benign-requests.jsonl"}, queries: 30, categories: 7, each: 3, control: true,
		shortest: 3, longest: 25, median: [2]int{7, 15},
	},
	{
		files: []string{"animal-welfare-requests.jsonl"}, queries: 160, categories: 12, each: 10,
		shortest: 3, longest: 25, median: [2]int{7, 15},
	},
	{
		files: []string{"views-questions.jsonl"}, queries: 36, categories: 7, each: 5,
		shortest: 5, longest: 30, median: [2]int{10, 20},
	},
	{
		files: []string{"reality-questions.jsonl"}, queries: 24, categories: 3, each: 8,
		shortest: 3, longest: 25, median: [2]int{8, 20},
	},
	{
		files: []string{"weight-opportunities.jsonl"}, queries: 28, categories: 4, each: 7,
		shortest: 12, longest: 32, median: [2]int{15, 25},
	},
	{
		files: []string{"nda-requests.jsonl"}, queries: 28, categories: 4, each: 7,
		shortest: 10, longest: 30, median: [2]int{12, 25},
	},
	{
		files: []string{"critique-requests.jsonl"}, queries: 36, categories: 6, each: 6,
		shortest: 10, longest: 30, median: [2]int{12, 25},
	},
}

// queryFiles are the names of all query files of the library.
func queryFiles(t testing.TB) []string {
	t.Helper()
	entries, err := builtin.ReadDir("library")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jsonl") {
			names = append(names, e.Name())
		}
	}
	return names
}

// queriesOf loads query files of the library in one document, with one more
// query in front because a scenario of controls alone is refused.
func queriesOf(t testing.TB, files ...string) []Query {
	t.Helper()
	folder := fstest.MapFS{
		"f.yaml":         {Data: []byte(withFiles("[measured.jsonl, " + strings.Join(files, ", ") + "]"))},
		"measured.jsonl": {Data: []byte(`{"id": "measured", "category": "measured", "text": "measured"}`)},
	}
	for _, name := range files {
		data, err := builtin.ReadFile("library/" + name)
		require.NoError(t, err)
		require.NotContains(t, string(data), "\n\n", "%s: no empty lines", name)
		require.True(t, strings.HasSuffix(string(data), "}\n"), "%s: ends in one line feed", name)
		folder[name] = &fstest.MapFile{Data: data}
	}
	s, err := LoadFS(folder, "f.yaml")
	require.NoError(t, err)
	return s.Queries[1:]
}

func TestEveryQueryFileIsDescribed(t *testing.T) {
	var described []string
	for _, set := range querySets {
		described = append(described, set.files...)
	}
	slices.Sort(described)
	require.Equal(t, queryFiles(t), slices.Compact(described))
}

// A scenario may combine any of the files.
func TestQueryFilesLoadTogether(t *testing.T) {
	require.GreaterOrEqual(t, len(queriesOf(t, queryFiles(t)...)), 650)
}

func TestQuerySetsHoldWhatTheyPromise(t *testing.T) {
	for _, set := range querySets {
		t.Run(strings.Join(set.files, " and "), func(t *testing.T) {
			queries := queriesOf(t, set.files...)
			require.GreaterOrEqual(t, len(queries), set.queries)
			counts := map[string]int{}
			var lengths []int
			for _, q := range queries {
				counts[q.Category]++
				require.Equal(t, fmt.Sprintf("%s-%02d", q.Category, counts[q.Category]), q.ID, "ids count up within a category")
				require.Equal(t, set.control, q.Control, q.ID)
				require.Equal(t, set.severity, q.Severity != "", q.ID)
				require.Equal(t, strings.TrimSpace(q.Text), q.Text, q.ID)
				require.NotContains(t, q.Text, "  ", q.ID)
				_, fault, ok := textFault(q.Text, false)
				require.True(t, ok, "%s %s", q.ID, fault)
				n := len(strings.Fields(q.Text))
				require.GreaterOrEqual(t, n, set.shortest, q.ID)
				require.LessOrEqual(t, n, set.longest, q.ID)
				lengths = append(lengths, n)
			}
			slices.Sort(lengths)
			median := lengths[len(lengths)/2]
			require.GreaterOrEqual(t, median, set.median[0])
			require.LessOrEqual(t, median, set.median[1])
			require.GreaterOrEqual(t, len(counts), set.categories)
			least, most := len(queries), 0
			for category, n := range counts {
				require.GreaterOrEqual(t, n, set.each, category)
				least, most = min(least, n), max(most, n)
			}
			require.LessOrEqual(t, most, 3*least, "no category outweighs another: %v", counts)
		})
	}
}

func TestHarmfulRequestsAreOfEverySeverity(t *testing.T) {
	queries := queriesOf(t, "harmful-requests.jsonl")
	all, within := map[Severity]int{}, map[string]map[Severity]int{}
	for _, q := range queries {
		all[q.Severity]++
		if within[q.Category] == nil {
			within[q.Category] = map[Severity]int{}
		}
		within[q.Category][q.Severity]++
	}
	for _, severity := range []Severity{SeverityLow, SeverityModerate, SeverityHigh} {
		require.GreaterOrEqual(t, 6*all[severity], len(queries), severity)
	}
	for category, counts := range within {
		require.Len(t, counts, 3, "%s: each category has each severity", category)
	}
}
