// Package architecture holds the rules of which package may import which, and
// the test that enforces them.
package architecture

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/unmask-eval/unmask/"

// rule says what the packages below a prefix may import of this project and
// of third parties; the standard library is free to all.
type rule struct {
	// under is a path below the module; it covers the package and those below it.
	under string
	// ours and foreign are prefixes of import paths. A package may always
	// import those below the same prefix.
	ours, foreign []string
	// because is the reason that a reader of a failure is told.
	because string
}

// rules are tried in order; the first that covers a package applies.
var rules = []rule{
	{
		"internal/transcript", nil, nil,
		"the parser is the innermost domain package",
	},
	{
		"internal/stats", nil,
		[]string{"gonum.org/v1/gonum"},
		"estimators are pure; distributions come from gonum",
	},
	{
		"internal/grading/judge",
		[]string{"internal/grading", "internal/transcript", "internal/model"},
		nil,
		"a judge asks a model through the port internal/model, whose types say why there is no reply; adapters stay out of reach",
	},
	{
		"internal/grading",
		[]string{"internal/transcript", "internal/stats"},
		[]string{"github.com/BobuSumisu/aho-corasick", "golang.org/x/text"},
		"graders judge text and know neither storage nor transport",
	},
	{
		"internal/gate",
		[]string{"internal/stats"},
		[]string{"go.yaml.in/yaml/v3"},
		"a decision is a pure function of a policy and numbers",
	},
	{
		"internal/planning",
		[]string{"internal/stats", "internal/gate"},
		[]string{"gonum.org/v1/gonum"},
		"a forecast is a pure function of a policy and a supposed truth",
	},
	{
		"internal/series",
		[]string{"internal/stats"},
		nil,
		"the reading of a series is a pure function of numbers",
	},
	{
		"internal/scenario/queryimport",
		[]string{"internal/scenario"},
		[]string{"github.com/parquet-go/parquet-go", "github.com/klauspost/compress"},
		"a data set becomes queries by the rules of the scenario; Parquet and its compression are read with libraries, and nothing of the domain needs them",
	},
	{
		"internal/scenario",
		[]string{"internal/transcript", "internal/grading"},
		[]string{"go.yaml.in/yaml/v3", "golang.org/x/text"},
		"experiments are data",
	},
	{
		"internal/documents/author",
		[]string{"internal/documents", "internal/model", "internal/transcript"},
		nil,
		"a model writes through the port internal/model, whose types say why there is no reply; adapters stay out of reach",
	},
	{
		"internal/documents/corpus",
		[]string{"internal/documents"},
		nil,
		"files are kept beside the rules, which know none",
	},
	{
		"internal/documents", nil,
		[]string{"go.yaml.in/yaml/v3"},
		"what a document is, and whether one passes, is a pure function of facts, seed and text",
	},
	{
		"internal/model/modeltest",
		[]string{"internal/model", "internal/model/wire", "internal/model/transport", "internal/model/credential", "internal/transcript"},
		[]string{"github.com/stretchr/testify"},
		"the suite that every adapter passes knows none of them",
	},
	{
		"internal/model/limit", nil,
		[]string{"github.com/failsafe-go/failsafe-go", "golang.org/x/time"},
		"when an endpoint is called depends on how it answers, and on nothing that is asked or said",
	},
	{
		"internal/model",
		[]string{"internal/transcript"},
		[]string{"gonum.org/v1/gonum", "golang.org/x/sync"},
		"a way to reach a model knows nothing of runs, stores or the API",
	},
	{
		"internal/run",
		[]string{"internal/transcript", "internal/grading", "internal/gate", "internal/planning", "internal/scenario", "internal/series", "internal/stats", "internal/model"},
		nil,
		"use-cases define their ports and know no SQL, protobuf, gRPC or zap",
	},
	{
		"internal/store/groupcommit", nil, nil,
		"gathering writes knows nothing of what is written",
	},
	{
		"internal/store/relational",
		[]string{"internal/run", "internal/transcript", "internal/grading", "internal/gate", "internal/scenario", "internal/stats", "internal/model"},
		[]string{"github.com/klauspost/compress"},
		"what SQL stores share knows no driver, so that it is the same on each",
	},
	{
		"internal/store/storetest",
		[]string{"internal/run", "internal/transcript", "internal/grading", "internal/gate", "internal/scenario", "internal/stats", "internal/model"},
		[]string{"github.com/stretchr/testify", "github.com/google/go-cmp"},
		"the suite tests the port and names no database",
	},
	{
		"internal/store/sqlite",
		[]string{"internal/store/relational", "internal/store/groupcommit", "internal/run"},
		[]string{"modernc.org/sqlite", "github.com/pressly/goose/v3"},
		"a store implements run.Store with one driver and knows no other store",
	},
	{
		"internal/store/postgres",
		[]string{"internal/store/relational", "internal/store/groupcommit", "internal/run"},
		[]string{"github.com/jackc/pgx/v5", "github.com/pressly/goose/v3"},
		"a store implements run.Store with one driver and knows no other store",
	},
	{
		"internal/engine",
		[]string{"internal/run"},
		[]string{"github.com/riverqueue/river", "github.com/jackc/pgx/v5", "modernc.org/sqlite", "github.com/google/uuid"},
		"the queue implements run.Queue on River, which nothing else knows",
	},
	{
		"internal/ledger",
		[]string{"internal/model/limit"},
		[]string{"github.com/jackc/pgx/v5"},
		"the ledger keeps the accounts of limits in PostgreSQL and knows nothing of what is called",
	},
	{
		"internal/rpc/requestid", nil,
		[]string{"github.com/google/uuid"},
		"shared by both transports",
	},
	{
		"internal/rpc",
		[]string{"gen/", "internal/run", "internal/transcript", "internal/grading", "internal/gate", "internal/planning", "internal/scenario", "internal/series", "internal/stats", "internal/model"},
		[]string{"google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc", "go.uber.org/zap", "github.com/google/uuid", "golang.org/x/text"},
		"the edge converts and calls use-cases; it never imports a store, an adapter or the gateway",
	},
	{
		"internal/gateway",
		[]string{"gen/", "internal/rpc/requestid"},
		[]string{"github.com/grpc-ecosystem/grpc-gateway/v2", "google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc"},
		"REST is a client of the gRPC server, so that nothing passes by the interceptors",
	},
	{
		"internal/config", nil,
		[]string{"github.com/knadh/koanf", "github.com/go-viper/mapstructure/v2"},
		"settings are data",
	},
	{
		"internal/terminal", nil, nil,
		"making text safe depends on nothing",
	},
	{
		"internal/telemetry",
		[]string{"internal/run", "internal/model"},
		[]string{"go.uber.org/zap", "github.com/prometheus/client_golang"},
		"logs and metrics observe runs from outside",
	},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// packages lists what the project consists of, without tests.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}

func ruleFor(path string) (rule, bool) {
	for _, r := range rules {
		if path == r.under || strings.HasPrefix(path, r.under+"/") {
			return r, true
		}
	}
	return rule{}, false
}

func hasPrefix(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return path == p || strings.HasPrefix(path, strings.TrimSuffix(p, "/")+"/")
	})
}

func TestImportsPointInwards(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		r, ok := ruleFor(path)
		if !ok {
			continue
		}
		for _, imported := range p.Imports {
			own, internal := strings.CutPrefix(imported, module)
			switch first, _, _ := strings.Cut(imported, "/"); {
			case internal:
				require.True(t, hasPrefix(own, append(r.ours, r.under)), "%s must not import %s: %s", path, own, r.because)
			case strings.Contains(first, "."):
				require.True(t, hasPrefix(imported, r.foreign), "%s must not import %s: %s", path, imported, r.because)
			}
		}
	}
}

// TestOnlyTheAppKnowsAdapters keeps construction in one place.
func TestOnlyTheAppKnowsAdapters(t *testing.T) {
	adapters := []string{
		"internal/store", "internal/engine", "internal/ledger", "internal/model/openai", "internal/model/openairesponses", "internal/model/anthropic", "internal/model/gemini",
		"internal/model/completion", "internal/model/record", "internal/model/sim", "internal/model/simserver", "internal/gateway", "internal/telemetry",
	}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if path == "internal/app" || hasPrefix(path, adapters) || strings.HasPrefix(path, "bench/") {
			continue
		}
		for _, imported := range p.Imports {
			if own, internal := strings.CutPrefix(imported, module); internal {
				require.False(t, hasPrefix(own, adapters), "%s must not import %s: internal/app is the only place that knows every adapter", path, own)
			}
		}
	}
}

// TestAdaptersOfProvidersShareOnlyWhatIsShared keeps one protocol out of another.
func TestAdaptersOfProvidersShareOnlyWhatIsShared(t *testing.T) {
	adapters := []string{
		"internal/model/openai", "internal/model/openairesponses", "internal/model/anthropic", "internal/model/gemini", "internal/model/completion",
	}
	shared := []string{"internal/model/wire", "internal/model/transport", "internal/model/credential", "internal/transcript"}
	seen := 0
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !hasPrefix(path, adapters) {
			continue
		}
		seen++
		for _, imported := range p.Imports {
			if own, internal := strings.CutPrefix(imported, module); internal {
				require.True(t, own == "internal/model" || hasPrefix(own, shared), "%s must not import %s: an adapter is a codec over wire and transport", path, own)
			}
		}
	}
	require.Len(t, adapters, seen)
}

// TestEveryInternalPackageHasARule makes a new package say where it belongs.
func TestEveryInternalPackageHasARule(t *testing.T) {
	free := []string{"internal/app", "internal/architecture", "internal/testkit"}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !strings.HasPrefix(path, "internal/") || hasPrefix(path, free) {
			continue
		}
		_, ok := ruleFor(path)
		require.True(t, ok, "%s has no rule in %s", path, "internal/architecture")
	}
}
