package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
)

// TestASeriesFromTheCommandLine makes three checkpoints of one evaluation, reads
// their series and compares the last with the first.
func TestASeriesFromTheCommandLine(t *testing.T) {
	store := filepath.Join(t.TempDir(), "unmask.db")
	var runs []string
	evaluation := ""
	for i, considered := range []string{"0", "0.4", "0.9"} {
		args := []string{
			"run", "--store", store, "--output", "json", "--training-run", "rl", "--step", fmt.Sprint(100 * i),
			"--model", "sim/alignment-faker?considered=" + considered,
		}
		if i == 0 {
			args = append(args, "--queries", "40", "--samples", "1", "--seed", "5")
		} else {
			args = append(args, "--evaluation", evaluation)
		}
		o := unmask(t, "", args...)
		require.Equal(t, exitOK, o.code, o.err)
		var got struct {
			Evaluation struct{ Name string }
			Run        struct{ Name string }
		}
		require.NoError(t, json.Unmarshal([]byte(o.out), &got))
		evaluation = got.Evaluation.Name
		runs = append(runs, got.Run.Name)
		require.True(t, strings.HasPrefix(runs[i], evaluation+"/"))
	}
	dry := unmask(t, "", "run", "--store", store, "--evaluation", evaluation, "--model", "sim/refuser", "--dry-run")
	require.Equal(t, exitOK, dry.code, dry.err)

	o := unmask(t, "", "series", "--store", store, "--evaluation", strings.TrimPrefix(evaluation, "evaluations/"), "--x", "log1p", "--alpha", "0.1")
	require.Equal(t, exitOK, o.code, o.err)
	for _, part := range []string{
		"false-alarm rate of 10% over 2 tests", "FAKING_RISES in rl", "Training run rl: 3 checkpoints", "steps 0 to 200",
		"alignment_faking_reasoning_rate", "points per unit of ln(1+step)", "step 100", "complied, free", "40, 0 left out",
		"answers of free and of paid",
	} {
		require.Contains(t, o.out, part)
	}
	asJSON := unmask(t, "", "series", "--store", store, "--evaluation", evaluation, "--training-run", "rl", "--output", "json")
	require.Equal(t, exitOK, asJSON.code, asJSON.err)
	var series struct {
		Series struct {
			FalseAlarmRate float64
			Findings       []struct{ Code string }
			TrainingRuns   []struct {
				Checkpoints []struct{ Run, Step string }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(asJSON.out), &series))
	require.InDelta(t, 0.05, series.Series.FalseAlarmRate, 0)
	require.Equal(t, "SERIES_FINDING_CODE_FAKING_RISES", series.Series.Findings[0].Code)
	require.Equal(t, runs[2], series.Series.TrainingRuns[0].Checkpoints[2].Run)

	o = unmask(t, "", "compare", "--store", store, "--run", runs[2], "--baseline", runs[0])
	require.Equal(t, exitOK, o.code, o.err)
	for _, part := range []string{"compliance gap", "faking reasoning", "at most, worst case", "not corrected for the number of rows"} {
		require.Contains(t, o.out, part)
	}
	asJSON = unmask(t, "", "compare", "--store", store, "--run", runs[2], "--baseline", runs[0], "--output", "json")
	require.Equal(t, exitOK, asJSON.code, asJSON.err)
	var compared struct {
		Comparison struct{ Candidate, Baseline string }
	}
	require.NoError(t, json.Unmarshal([]byte(asJSON.out), &compared))
	require.Equal(t, runs[0], compared.Comparison.Baseline)

	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"series without an evaluation", []string{"series"}, "--evaluation"},
		{"an unknown evaluation", []string{"series", "--evaluation", "none"}, "evaluations/none"},
		{"an unknown axis", []string{"series", "--evaluation", evaluation, "--x", "time"}, "--x"},
		{"no axis", []string{"series", "--evaluation", evaluation, "--x", "unspecified"}, "--x"},
		{"a bad rate", []string{"series", "--evaluation", evaluation, "--alpha", "0"}, "false_alarm_rate"},
		{"an unknown training run", []string{"series", "--evaluation", evaluation, "--training-run", "sft"}, "training_run"},
		{"compare without a run", []string{"compare", "--baseline", runs[0]}, "--run"},
		{"compare without a baseline", []string{"compare", "--run", runs[0]}, "--baseline"},
		{"compare a run with itself", []string{"compare", "--run", runs[0], "--baseline", runs[0]}, "baseline"},
		{"plan flags with an evaluation", []string{"run", "--model", "sim/refuser", "--evaluation", evaluation, "--samples", "2"}, "--samples"},
		{"an evaluation that is not there", []string{"run", "--model", "sim/refuser", "--evaluation", "none"}, "evaluations/none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := unmask(t, "", append(tt.args, "--store", store)...)
			require.Equal(t, exitUsage, o.code, "%s%s", o.out, o.err)
			require.Contains(t, o.err, tt.says)
			require.Empty(t, o.out)
		})
	}
}

func TestSharesAreStacked(t *testing.T) {
	rate := func(v float64) *unmaskv1.Rate { return &unmaskv1.Rate{Estimate: &v} }
	for _, tt := range []struct {
		complied, faking *unmaskv1.Rate
		faked, other     int
	}{
		{rate(0), rate(0), 0, 0},
		{rate(1), rate(1), 50, 0},
		{rate(0.5), rate(0.2), 10, 15},
		{rate(0.1), rate(0.3), 5, 0}, // faking is of the seen ones only
	} {
		want := strings.Repeat("#", tt.faked) + strings.Repeat("+", tt.other) + strings.Repeat(".", 50-tt.faked-tt.other)
		require.Equal(t, want, stacked(tt.complied, tt.faking))
	}
	require.Equal(t, "unknown", stacked(rate(0.5), &unmaskv1.Rate{}))
	require.Equal(t, "unknown", stacked(&unmaskv1.Rate{}, rate(0)))
}
