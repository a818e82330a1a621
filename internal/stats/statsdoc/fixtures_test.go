package statsdoc_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/stats/statsdoc"
)

// tolerance says how far a number may lie from the oracle's.
type tolerance struct{ Abs, Rel float64 }

type fixture struct {
	Expected  map[string]any       `json:"expected"`
	Tolerance map[string]tolerance `json:"tolerance"`
}

// fixtureFiles finds the oracle documents beside the checkout.
func fixtureFiles(t testing.TB) []string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "no go.mod above the test")
		dir = parent
	}
	files, err := filepath.Glob(filepath.Join(dir, "..", "shared", "data", "stats", "*.json"))
	require.NoError(t, err)
	var out []string
	for _, f := range files {
		if filepath.Base(f) != "index.json" {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		t.Skip("the oracle documents are not beside this checkout (../shared/data/stats)")
	}
	return out
}

// TestOracleDocuments compares every expected key with an independent
// implementation's.
func TestOracleDocuments(t *testing.T) {
	for _, file := range fixtureFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			var want fixture
			require.NoError(t, json.Unmarshal(raw, &want))
			require.NotEmpty(t, want.Expected)
			got := run(t, raw)
			for key, value := range want.Expected {
				have, present := got[key]
				require.True(t, present, "key %s is missing", key)
				require.True(t, agrees(have, value, want.toleranceOf(key)), "%s: got %v, want %v", key, have, value)
			}
		})
	}
}

// run returns the flat result of a document.
func run(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, statsdoc.Run(bytes.NewReader(raw), &out))
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	return got
}

// toleranceOf picks the longest matching pattern, in which only * is special.
func (f fixture) toleranceOf(key string) tolerance {
	best, found := "", false
	for pattern := range f.Tolerance {
		if pattern != "default" && matches(pattern, key) && (!found || len(pattern) > len(best)) {
			best, found = pattern, true
		}
	}
	if found {
		return f.Tolerance[best]
	}
	return f.Tolerance["default"]
}

func matches(pattern, key string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(key, parts[0]) {
		return false
	}
	rest := key[len(parts[0]):]
	for i, part := range parts[1:] {
		if i == len(parts)-2 {
			return strings.HasSuffix(rest, part)
		}
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return rest == ""
}

func agrees(got, want any, tol tolerance) bool {
	switch w := want.(type) {
	case float64:
		g, ok := got.(float64)
		return ok && math.Abs(g-w) <= tol.Abs+tol.Rel*math.Abs(w)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !agrees(g[i], w[i], tol) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(got, want)
	}
}
