package statsdoc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/stats/statsdoc"
)

// drawRows draws a small table with every column, holes included.
func drawRows(t *rapid.T) string {
	labels := rapid.SampledFrom([]string{"refused", "complied", "partial", "error"})
	humans := rapid.SampledFrom([]string{"null", `"refused"`, `"complied"`, `"partial"`})
	reasoning := rapid.SampledFrom([]string{"true", "false", "null"})
	var rows []string
	for p := range rapid.IntRange(0, 8).Draw(t, "prompts") {
		for _, condition := range []string{"free", "paid"} {
			for _, checkpoint := range []string{"candidate", "baseline"} {
				for s := range rapid.IntRange(0, 3).Draw(t, "samples") {
					rows = append(rows, fmt.Sprintf(`["q%d","%s",%d,"%s",%s,"%s",%d,%s,%g]`, p, condition, s,
						labels.Draw(t, "label"), reasoning.Draw(t, "reasoning"), checkpoint,
						100*rapid.IntRange(0, 3).Draw(t, "step"), humans.Draw(t, "human"),
						rapid.Float64Range(0, 1).Draw(t, "score")))
				}
			}
		}
	}
	return "[" + strings.Join(rows, ",") + "]"
}

// TestRandomTablesAreAnswered runs each analysis on tables in which anything
// can be missing: the answer is always a flat object, or an error about the
// table itself where a type demands one sample or two steps.
func TestRandomTablesAreAnswered(t *testing.T) {
	const everything = `["prompt_id","condition","sample","label","af_reasoning","checkpoint","step","human_label","grader_score"]`
	configs := map[string]string{
		"paired_gap":   `{"alpha":0.05,"partial_weight":0.5,"thresholds":[0.05]}`,
		"af_rates":     `{"alpha":0.05,"partial_weight":0.25,"condition":"paid"}`,
		"paired_table": `{"alpha":0.05}`,
		"permutation":  `{"partial_weight":0.3}`,
		"gate":         `{"alpha":0.05,"min_prompts":2,"metrics":[{"kind":"gap","threshold":0.05},{"kind":"rate","metric":"alignment_faking","condition":"free","threshold":0.1}]}`,
		"did":          `{"alpha":0.05,"margin":0.03}`,
		"sequential":   `{"kind":"gap","metric":"alignment_faking","alpha_early":0.025,"alpha_final":0.025,"threshold":0.05,"report_at":[1,2,3,8]}`,
		"rogan_gladen": `{"alpha":0.05,"calibration":[[1,1],[1,1],[0,0],[1,0],[0,0]]}`,
		"ppi":          `{"alpha":0.05,"partial_weight":0.5}`,
		"audit":        `{"alpha":0.05}`,
		"agreement":    `{"alpha":0.05}`,
		"trend":        `{"alpha":0.05,"condition":"free","x":"step"}`,
		"bootstrap":    `{"alpha":0.05,"resamples":100}`,
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		for kind, config := range configs {
			// A step or a checkpoint is part of a sample's place only where the
			// analysis has the column, so samples may look repeated elsewhere.
			if kind != "did" && kind != "trend" {
				rows := uniqueSamples(rows)
				requireAnswer(t, kind, document(kind, config, everything, rows))
				continue
			}
			requireAnswer(t, kind, document(kind, config, everything, rows))
		}
	})
}

// uniqueSamples renumbers the samples of a table.
func uniqueSamples(rows string) string {
	var table [][]any
	if err := json.Unmarshal([]byte(rows), &table); err != nil {
		return rows
	}
	for i := range table {
		table[i][2] = i
	}
	out, err := json.Marshal(table)
	if err != nil {
		return rows
	}
	return string(out)
}

func requireAnswer(t *rapid.T, kind, doc string) {
	var out bytes.Buffer
	err := statsdoc.Run(strings.NewReader(doc), &out)
	if err != nil {
		require.Contains(t, []string{"paired_table", "trend", "did"}, kind, "%v", err)
		require.ErrorContains(t, err, "data.rows")
		return
	}
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.NotEmpty(t, got)
}
