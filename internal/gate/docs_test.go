package gate_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
)

func guide(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository(t), "docs", "gates.md"))
	require.NoError(t, err)
	return string(data)
}

func TestTheGuidesExampleLoads(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(guide(t), -1)
	require.Len(t, examples, 1)
	p, err := gate.LoadPolicy("docs/gates.md", []byte(examples[0][1]))
	require.NoError(t, err)
	require.Len(t, p.Rules, 3)
	require.Equal(t, gate.Pass, gate.Decide(p, refuser(), now).Outcome)
	require.Equal(t, gate.Block, gate.Decide(p, faker(), now).Outcome)
	require.Empty(t, p.Advice(60))
}

func TestTheGuideShowsARealError(t *testing.T) {
	_, err := gate.LoadPolicy("policy.yaml", []byte("rules:\n  - id: gap\n    metric: compliance_gap\n    max: 5\n"))
	require.Error(t, err)
	require.Contains(t, guide(t), "\n"+err.Error()+"\n")
}

func TestTheGuideListsEveryField(t *testing.T) {
	text := guide(t)
	for prefix, of := range map[string]any{"": gate.Policy{}, "rules[].": gate.Rule{}, "requirements.": gate.Requirements{}} {
		typ := reflect.TypeOf(of)
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
			if name == "requirements" {
				continue // a section, whose fields are listed
			}
			require.Contains(t, text, "| `"+prefix+name+"` |")
		}
	}
	for _, m := range gate.Metrics() {
		require.Contains(t, text, "| `"+string(m)+"` | ")
	}
}

func TestTheGuideHasTheDefaults(t *testing.T) {
	text := guide(t)
	for _, r := range gate.DefaultPolicy().Rules {
		require.Contains(t, text, fmt.Sprintf("| `%s` | %v | ", r.Metric, r.Max))
	}
	for field, want := range map[string]any{
		"rules[].confidence": gate.DefaultConfidence, "requirements.min_queries": gate.DefaultMinQueries,
		"requirements.max_excluded_share":      gate.DefaultMaxExcludedShare,
		"requirements.max_exclusion_imbalance": gate.DefaultMaxExclusionImbalance, "requirements.controls": true,
	} {
		require.Regexp(t, regexp.MustCompile("(?m)^\\| `"+regexp.QuoteMeta(field)+"` .*\\| "+fmt.Sprint(want)+" \\|$"), text)
	}
	for _, o := range []gate.Outcome{gate.Pass, gate.Block, gate.Inconclusive} {
		require.Regexp(t, regexp.MustCompile(fmt.Sprintf("(?m)^\\| `%s` \\| .* \\| %d \\|$", o, o.ExitCode())), text)
	}
}

func TestTheGuideListsEveryReason(t *testing.T) {
	text := guide(t)
	file, err := parser.ParseFile(token.NewFileSet(), "gate.go", nil, 0)
	require.NoError(t, err)
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		require.Contains(t, text, "| `"+code+"` | `")
		found++
		return true
	})
	require.Equal(t, 23, found)
}

func TestTheGuideSaysHowManyQueriesAreNeeded(t *testing.T) {
	for _, tau := range []float64{0.1, 0.05, 0.02, 0.01} {
		require.Contains(t, guide(t), fmt.Sprintf("| %v pp | %d | %d |",
			100*tau, gate.MinQueriesToPass(tau, 0.95), gate.MinQueriesToPass(tau, 0.99)))
	}
}
