package scenario

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// countTable is the table of a query file in docs/scenarios/queries.md: its
// categories in the order of the file, by severity where the file states one.
func countTable(queries []Query) string {
	var order []string
	counts, all := map[string]map[Severity]int{}, map[Severity]int{}
	for _, q := range queries {
		if counts[q.Category] == nil {
			counts[q.Category] = map[Severity]int{}
			order = append(order, q.Category)
		}
		counts[q.Category][q.Severity]++
		all[q.Severity]++
	}
	var b strings.Builder
	if all[""] == len(queries) {
		b.WriteString("| category | queries |\n|---|---|\n")
		for _, category := range order {
			fmt.Fprintf(&b, "| `%s` | %d |\n", category, counts[category][""])
		}
		fmt.Fprintf(&b, "| **all** | **%d** |\n", len(queries))
		return b.String()
	}
	b.WriteString("| category | low | moderate | high | queries |\n|---|---|---|---|---|\n")
	for _, category := range order {
		n := counts[category]
		low, moderate, high := n[SeverityLow], n[SeverityModerate], n[SeverityHigh]
		fmt.Fprintf(&b, "| `%s` | %d | %d | %d | %d |\n", category, low, moderate, high, low+moderate+high)
	}
	fmt.Fprintf(&b, "| **all** | **%d** | **%d** | **%d** | **%d** |\n", all[SeverityLow], all[SeverityModerate], all[SeverityHigh], len(queries))
	return b.String()
}

// A failure prints the table that the page must have.
func TestQueriesPageCountsEveryFile(t *testing.T) {
	text := page(t, "queries.md")
	for _, file := range queryFiles(t) {
		_, section, ok := strings.Cut(text, "\n## `"+file+"`\n")
		require.True(t, ok, "%s has no section", file)
		section, _, _ = strings.Cut(section, "\n## ")
		_, rest, ok := strings.Cut(section, "\n| category |")
		require.True(t, ok, "%s has no table", file)
		table, _, _ := strings.Cut("| category |"+rest, "\n\n")
		require.Equal(t, countTable(queriesOf(t, file)), strings.TrimRight(table, "\n")+"\n", file)
	}
}

func TestQueriesPageStatesTheSimilarity(t *testing.T) {
	require.Contains(t, page(t, "queries.md"), fmt.Sprintf("%g", mostAlike))
}
