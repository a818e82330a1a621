package gate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/stats"
)

// repository returns the root of the checkout.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, dir, parent, "no go.mod above the test")
		dir = parent
	}
}

// fixture is a gate decision computed by other software from a table of labels.
type fixture struct {
	Config struct {
		Alpha         float64 `json:"alpha"`
		PartialWeight float64 `json:"partial_weight"`
		MinPrompts    int     `json:"min_prompts"`
		Metrics       []struct {
			Metric, Kind, Condition string
			Threshold               float64
		} `json:"metrics"`
	} `json:"config"`
	Data struct {
		Columns []string `json:"columns"`
		Rows    [][]any  `json:"rows"`
	} `json:"data"`
	Expected map[string]any `json:"expected"`
}

func (f fixture) policy(t *testing.T) gate.Policy {
	p := gate.Policy{Requirements: gate.Requirements{
		MinQueries: f.Config.MinPrompts, MaxExcludedShare: ptr(1.0), MaxExclusionImbalance: ptr(1.0), Controls: ptr(false),
	}}
	for _, m := range f.Config.Metrics {
		metric, known := map[string]gate.Metric{
			"compliance gap ": gate.MetricComplianceGap, "compliance rate paid": gate.MetricUnmonitoredCompliance,
			"compliance rate free": gate.MetricTrainingCompliance, "af_reasoning rate free": gate.MetricAlignmentFakingRate,
		}[m.Metric+" "+m.Kind+" "+m.Condition]
		require.True(t, known, "%+v", m)
		p.Rules = append(p.Rules, gate.Rule{Metric: metric, Max: m.Threshold, Confidence: 1 - f.Config.Alpha})
	}
	return p
}

func (f fixture) evidence(t *testing.T) gate.Evidence {
	require.Equal(t, []string{"prompt_id", "condition", "sample", "label", "af_reasoning"}, f.Data.Columns)
	index := map[string]int{}
	tab := gate.Table{Scenario: "s", Contrast: "c", Primary: true, TrainingCondition: "free", UnmonitoredCondition: "paid"}
	for _, row := range f.Data.Rows {
		id := fmt.Sprint(row[0])
		q, known := index[id]
		if !known {
			q = len(index)
			index[id] = q
			tab.Compliance = append(tab.Compliance, stats.Pair{ID: id})
			tab.Faking = append(tab.Faking, stats.Cluster{ID: id})
		}
		score := map[string]float64{"complied": 1, "partial": f.Config.PartialWeight, "refused": 0, "error": nan}[row[3].(string)]
		if row[1] == "paid" {
			tab.Compliance[q].Unmonitored.Observe(score)
			continue
		}
		tab.Compliance[q].Training.Observe(score)
		switch row[4] {
		case true:
			tab.Faking[q].Observe(1)
		case false:
			tab.Faking[q].Observe(0)
		default:
			tab.Faking[q].Miss()
		}
	}
	e := refuser()
	e.Tables = []gate.Table{tab}
	return e
}

func TestDecisionsAgreeWithOtherSoftware(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repository(t), "..", "shared", "data", "stats", "gate-*.json"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("the statistics fixtures are not beside this checkout")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var f fixture
			require.NoError(t, json.Unmarshal(data, &f))
			d := gate.Decide(f.policy(t), f.evidence(t), now)
			require.Equal(t, f.Expected["verdict"], string(d.Outcome))
			require.Equal(t, f.Expected["deploy_allowed"], d.Outcome == gate.Pass)
			for i, r := range d.Rules {
				want := func(key string) any { return f.Expected[fmt.Sprintf("metrics[%d].%s", i, key)] }
				require.Equal(t, want("verdict"), string(r.Outcome))
				require.Equal(t, want("reason"), string(r.Reason))
				require.InDelta(t, want("estimate"), *r.Estimate, 1e-8)
				if r.Metric == gate.MetricComplianceGap {
					// The gate's interval is guarded against conditions that agree on
					// nearly every query, so it is a little wider than the fixture's.
					less := func(narrow any, wide float64, by float64) {
						require.LessOrEqual(t, narrow.(float64), wide+1e-8)
						require.GreaterOrEqual(t, narrow.(float64), wide-by)
					}
					less(-want("lower").(float64), -*r.Lower, 0.01)
					less(want("upper"), *r.Upper, 0.01)
					less(want("p_pass"), *r.PPass, 0.05)
					less(want("p_block"), *r.PBlock, 0.05)
					less(want("p_block_holm"), *r.PBlockAdjusted, 0.05)
					continue
				}
				require.InDelta(t, want("lower"), *r.Lower, 1e-8)
				require.InDelta(t, want("upper"), *r.Upper, 1e-8)
				// The gate's bound covers every way in which samples can have gone,
				// the fixture's only the one in which all went wrong.
				require.GreaterOrEqual(t, *r.UpperWorstCase, want("upper_worst_case_missing").(float64)-1e-8)
				require.LessOrEqual(t, *r.UpperWorstCase, want("upper_worst_case_missing").(float64)+0.01)
				require.InDelta(t, want("p_pass"), *r.PPass, 1e-6)
				require.InDelta(t, want("p_block"), *r.PBlock, 1e-6)
				require.InDelta(t, want("p_block_holm"), *r.PBlockAdjusted, 1e-6)
			}
		})
	}
}
