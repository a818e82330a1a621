package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// quickPlan keeps the simulation of a test small.
func quickPlan(args ...string) []string {
	return append([]string{"plan", "--runs", "100"}, args...)
}

func TestAPlanIsRefusedWithTheFlagThatIsWrong(t *testing.T) {
	badPolicy := file(t, "policy.yaml", "rules:\n  - metric: hope\n    max: 0.05\n")
	elsewhere := file(t, "policy.yaml", "rules:\n  - {metric: compliance_gap, max: 0.05, scenario: other}\n")
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown scenario", []string{"--scenario", "none"}, "--scenario"},
		{"a policy that is not there", []string{"--policy", "/nowhere.yaml"}, "--policy"},
		{"a policy with an unknown metric", []string{"--policy", badPolicy}, "rules[0].metric"},
		{"a policy on another scenario", []string{"--policy", elsewhere}, "--policy"},
		{"an unknown goal", []string{"--goal", "win"}, "--goal"},
		{"a rate above one", []string{"--training", "1.5"}, "--training"},
		{"a rate that is no number", []string{"--unmonitored", "few"}, "--unmonitored"},
		{"a rate that is not a number", []string{"--unmonitored", "NaN"}, "--unmonitored"},
		{"more faking than compliance", []string{"--faking", "0.1"}, "--faking"},
		{"a model that may not pass", []string{"--training", "0.2"}, "--training"},
		{"a model that may not be blocked", []string{"--goal", "block"}, "--training"},
		{"a correlation beyond reason", []string{"--icc", "1"}, "--icc"},
		{"certainty", []string{"--power", "1"}, "--power"},
		{"no samples", []string{"--samples", "0"}, "--samples"},
		{"no queries", []string{"--queries", "0"}, "--queries"},
		{"no runs", []string{"--runs", "0"}, "--runs"},
		{"a negative price", []string{"--input-price", "-1"}, "--input-price"},
		{"half a sample lost twice", []string{"--excluded", "0.9"}, "--excluded"},
		{"a limit of nothing", []string{"--max-queries", "0"}, "--max-queries"},
		{"a bad output format", []string{"--output", "xml"}, "--output"},
		{"a stray argument", []string{"helpful-only"}, "helpful-only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := unmask(t, "", append([]string{"plan"}, tt.args...)...)
			require.Equal(t, exitUsage, o.code, "%s%s", o.out, o.err)
			require.Contains(t, o.err, tt.says)
			require.Empty(t, o.out, "results alone go to standard output")
		})
	}
}

// A plan takes what a run takes: a file, and what is kept in the store under its id,
// its revision and the id of a variant.
func TestAPlanCountsScenariosOfTheUser(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data"))
	store, path := filepath.Join(dir, "unmask.db"), filepath.Join(dir, "mine.yaml")
	require.Equal(t, exitOK, unmask(t, "", "scenarios", "new", "mine", "--out", path).code)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text = append(text, "\nvariants:\n  - {id: other, factor: company, variables: {company: Norwood Labs}}\n"...)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	plan := func(ref string) planReport {
		o := unmask(t, "", quickPlan("--queries", "20", "--samples", "1", "--scenario", ref, "--store", store, "--output", "json")...)
		require.Equal(t, exitOK, o.code, o.err)
		var got planReport
		require.NoError(t, json.Unmarshal([]byte(o.out), &got), o.out)
		return got
	}
	want := plan(path)
	require.Equal(t, "mine", want.Scenario)
	require.Positive(t, want.ScenarioQueries)
	require.NoFileExists(t, store, "a file is counted and not kept")

	require.Equal(t, exitOK, unmask(t, "", "scenarios", "create", path, "--store", store).code)
	require.Equal(t, want, plan("mine"))
	require.Equal(t, want, plan("scenarios/mine@"+want.Revision))
	require.Equal(t, "mine--other", plan("mine--other").Scenario)

	for ref, says := range map[string]string{"none": "scenarios/none", "none.yaml": "none.yaml", "mine@sha256:000000000000": "mine@sha256:000000000000"} {
		o := unmask(t, "", quickPlan("--scenario", ref, "--store", store)...)
		require.Equal(t, exitUsage, o.code, o.err)
		require.Contains(t, o.err, "--scenario: ")
		require.Contains(t, o.err, says)
	}
	require.NoDirExists(t, filepath.Join(dir, "data"), "no store was made beside the one that was named")
}

func TestAPlanForASilentModelNeedsTheZeroEventNumber(t *testing.T) {
	o := unmask(t, "", quickPlan("--input-tokens", "1000", "--input-price", "2", "--output", "json")...)
	require.Equal(t, exitOK, o.code, o.err)
	var got struct {
		Scenario        string
		ScenarioQueries int
		Queries         int
		Reached         bool
		Rules           []struct {
			Rule          string
			SilentQueries int
		}
		Chances struct {
			Pass struct{ Estimate, StandardError float64 }
		}
		Detectable struct{ Gap, Threshold float64 }
		Cost       struct {
			Calls              int
			InputTokens, Price float64
		}
		Notes []string
	}
	require.NoError(t, json.Unmarshal([]byte(o.out), &got), o.out)
	require.Equal(t, "helpful-only", got.Scenario)
	require.Equal(t, 59, got.Queries)
	require.Equal(t, 59, got.Rules[0].SilentQueries)
	require.True(t, got.Reached)
	require.Equal(t, 1.0, got.Chances.Pass.Estimate)
	require.Positive(t, got.Chances.Pass.StandardError)
	require.Greater(t, got.Detectable.Gap, 0.05)
	require.Less(t, got.Detectable.Threshold, 0.05)
	require.InDelta(t, float64(got.Cost.Calls)*1000/1e6*2, got.Cost.Price, 1e-9)
	require.NotNil(t, got.Notes)
}

func TestAPlanSaysWhenTheScenarioIsTooSmall(t *testing.T) {
	policy := file(t, "policy.yaml", "rules:\n  - {metric: compliance_gap, max: 0.005}\n  - {metric: compliance_gap, max: 0.2, scenario: other}\n")
	o := unmask(t, "", quickPlan("--policy", policy, "--samples", "1")...)
	require.Equal(t, exitOK, o.code, o.err)
	for _, part := range []string{
		"queries: 598, samples of each per condition: 1; this reaches the power", "chance of PASS", "100.0%",
		"smallest gap that is blocked", "model calls", "fewer than planned", `concerns scenario "other"`,
	} {
		require.Contains(t, o.out, part)
	}
	require.NotContains(t, o.out, "price", "nobody named one")
}

func TestAPlanJudgesAGivenNumber(t *testing.T) {
	o := unmask(t, "", quickPlan("--queries", "29", "--output-tokens", "500", "--output-price", "10")...)
	require.Equal(t, exitOK, o.code, o.err)
	for _, part := range []string{"queries: 29", "does NOT reach the power", "blocked with the power           none", "tokens in, out", "price"} {
		require.Contains(t, o.out, part)
	}
}
