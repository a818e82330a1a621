package rpc

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading/calibration"
)

// constants returns the values of the string constants of a named type in the
// package in a directory. With the type "" it returns the untyped ones whose
// names begin with a prefix.
func constants(t *testing.T, dir, typeName, prefix string) []string {
	t.Helper()
	var found []string
	entries, err := fs.Glob(os.DirFS(dir), "*.go")
	require.NoError(t, err)
	for _, name := range entries {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				found = append(found, values(t, spec, typeName, prefix)...)
			}
		}
	}
	require.NotEmpty(t, found, "no constants of type %s in %s", typeName, dir)
	return found
}

func values(t *testing.T, spec ast.Spec, typeName, prefix string) []string {
	t.Helper()
	v, ok := spec.(*ast.ValueSpec)
	require.True(t, ok)
	switch named := v.Type.(type) {
	case nil:
		if typeName != "" || !strings.HasPrefix(v.Names[0].Name, prefix) {
			return nil
		}
	case *ast.Ident:
		if named.Name != typeName {
			return nil
		}
	case *ast.SelectorExpr:
		if named.Sel.Name != typeName {
			return nil
		}
	default:
		return nil
	}
	var out []string
	for _, expr := range v.Values {
		lit, ok := expr.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			continue
		}
		s, err := strconv.Unquote(lit.Value)
		require.NoError(t, err)
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// both checks that every word of the domain has a value in the API and comes
// back from it, and that the API has no value beyond those that are named.
func both[D ~string, P ~int32](t *testing.T, e enum[D, P], domain []string) {
	t.Helper()
	for _, word := range domain {
		p := e.proto(D(word))
		require.NotZero(t, p, "the API has no %s%s", e.prefix, strings.ToUpper(word))
		require.Equal(t, D(word), e.domain(p))
	}
	require.Len(t, e.values, len(domain)+1, "%v and the API do not have the same values", domain)
	require.Zero(t, e.proto(""))
	require.Zero(t, e.proto("something new"))
	require.Empty(t, e.domain(0))
}

func TestEveryWordOfTheDomainHasAName(t *testing.T) {
	t.Run("roles", func(t *testing.T) { both(t, conditionRoles, constants(t, "../scenario", "Role", "")) })
	t.Run("variant factors", func(t *testing.T) { both(t, variantFactors, constants(t, "../scenario", "Factor", "")) })
	t.Run("severities", func(t *testing.T) { both(t, querySeverities, constants(t, "../scenario", "Severity", "")) })
	t.Run("scratchpad modes", func(t *testing.T) { both(t, scratchpadModes, constants(t, "../scenario", "ScratchpadMode", "")) })
	t.Run("rules of compliance", func(t *testing.T) { both(t, complianceRules, constants(t, "../grading", "Rule", "")) })
	t.Run("chat roles", func(t *testing.T) { both(t, chatRoles, []string{"system", "user", "assistant"}) })
	t.Run("states", func(t *testing.T) { both(t, runStates, constants(t, "../run", "State", "")) })
	t.Run("headroom", func(t *testing.T) { both(t, headrooms, constants(t, "../run", "Headroom", "")) })
	t.Run("observations", func(t *testing.T) { both(t, observations, constants(t, "../transcript", "Observation", "")) })
	t.Run("native kinds", func(t *testing.T) { both(t, nativeKinds, constants(t, "../transcript", "NativeKind", "")) })
	t.Run("finish reasons", func(t *testing.T) { both(t, finishReasons, constants(t, "../transcript", "FinishReason", "")) })
	t.Run("parts", func(t *testing.T) { both(t, partKinds, constants(t, "../transcript", "PartKind", "")) })
	t.Run("compliance", func(t *testing.T) { both(t, compliances, constants(t, "../grading", "Compliance", "")) })
	t.Run("alignment faking", func(t *testing.T) { both(t, alignmentFakings, constants(t, "../grading", "Faking", "")) })
	t.Run("evidence", func(t *testing.T) { both(t, evidenceParts, constants(t, "../grading", "EvidencePart", "")) })
	t.Run("metrics", func(t *testing.T) { both(t, metrics, constants(t, "../gate", "Metric", "")) })
	t.Run("conditions of labels", func(t *testing.T) {
		for _, word := range constants(t, "../grading/calibration", "Role", "") {
			require.NotZero(t, roles.proto(calibration.Role(word)))
			require.Equal(t, calibration.Role(word), roles.domain(roles.proto(calibration.Role(word))))
		}
	})
	t.Run("origins of labels", func(t *testing.T) { both(t, labelOrigins, constants(t, "../grading/calibration", "Origin", "")) })
	t.Run("sampling designs", func(t *testing.T) { both(t, samplingDesigns, constants(t, "../grading/calibration", "Design", "")) })
	t.Run("classes of calibrations", func(t *testing.T) { both(t, calibrationClasses, constants(t, "../grading/calibration", "Class", "")) })
	t.Run("causes of calibrations", func(t *testing.T) { both(t, calibrationCauses, constants(t, "../grading/calibration", "Cause", "")) })
	t.Run("outcomes", func(t *testing.T) { both(t, outcomes, constants(t, "../gate", "Outcome", "")) })
	t.Run("goals", func(t *testing.T) { both(t, forecastGoals, constants(t, "../planning", "Goal", "")) })
	t.Run("bases of tokens", func(t *testing.T) { both(t, tokenBases, constants(t, "../run", "TokenBasis", "")) })
	t.Run("reasons", func(t *testing.T) { both(t, ruleReasons, constants(t, "../gate", "Reason", "")) })
	t.Run("axes", func(t *testing.T) { both(t, seriesAxes, constants(t, "../series", "Axis", "")) })
	t.Run("metrics of a series", func(t *testing.T) { both(t, seriesMetrics, constants(t, "../series", "Metric", "")) })
	t.Run("findings", func(t *testing.T) { both(t, seriesCodes, constants(t, "../series", "Code", "")) })
	t.Run("left out", func(t *testing.T) { both(t, leftOutReasons, constants(t, "../run", "LeftOutReason", "")) })

	classes := append(constants(t, "../model", "ErrorClass", ""), constants(t, "../run", "ErrorClass", "")...)
	t.Run("error classes", func(t *testing.T) { both(t, sampleErrors, classes) })
	t.Run("causes of exclusion", func(t *testing.T) {
		both(t, exclusionCauses, append(classes, constants(t, "../run", "", "Cause")...))
	})
}
