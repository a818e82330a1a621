// Package storetest is the one suite that every run.Store has to pass. It
// tests the sentences of the port's comments one by one and knows nothing of
// any database, so a new store starts with a test of one line:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) run.Store { return open(t) })
//	}
//
// Run it under the race detector as well.
package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

// Run tests a store. open returns one that is ready for use and registers its
// closing with t.Cleanup; it may be new or hold what earlier calls left there.
func Run(t *testing.T, open func(t *testing.T) run.Store) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"evaluations", evaluationTests()},
		{"scenarios", scenarioTests()},
		{"user scenarios", userScenarioTests()},
		{"runs", runTests()},
		{"samples", sampleTests()},
		{"transcripts", transcriptTests()},
		{"verdicts", verdictTests()},
		{"human verdicts", humanVerdictTests()},
		{"labels", labelTests()},
		{"calibrations", calibrationTests()},
		{"gates", gateTests()},
		{"lists", listTests()},
		{"isolation", isolationTests()},
		{"text", textTests()},
		{"contexts", contextTests()},
		{"concurrency", concurrencyTests()},
		{"races", raceTests()},
		{"tries and limits", counted()},
		{"retention", retentionTests()},
		{"large", largeTests()},
	} {
		t.Run(group.name, func(t *testing.T) {
			s := open(t)
			for _, tt := range group.tests {
				t.Run(tt.name, func(t *testing.T) {
					tt.run(newFixture(t, s))
				})
			}
		})
	}
	t.Run("ready", func(t *testing.T) {
		require.NoError(t, open(t).Ready(t.Context()))
	})
}

// test is one behaviour. Each gets a project of its own, so that tests share a
// store without seeing each other.
type test struct {
	name string
	run  func(f *fixture)
}

// fixture is what one test works with.
type fixture struct {
	*testing.T
	ctx     context.Context
	store   run.Store
	project string
}

func newFixture(t *testing.T, s run.Store) *fixture {
	return &fixture{T: t, ctx: t.Context(), store: s, project: strings.ReplaceAll(t.Name(), "/", ".")}
}

// in returns the same test in another project.
func (f *fixture) in(project string) *fixture {
	other := *f
	other.project = project
	return &other
}

// equal compares what was kept with what is expected. An empty slice and a nil
// one are the same, and times are the same instant.
func (f *fixture) equal(want, got any) {
	f.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.Fatalf("not what was kept (-want +got):\n%s", diff)
	}
}

func (f *fixture) ok(err error) {
	f.Helper()
	require.NoError(f, err)
}

func (f *fixture) notFound(err error) {
	f.Helper()
	is[*run.NotFoundError](f, err)
}

// is asserts that an error is of the type that the port names.
func is[E error](f *fixture, err error) {
	f.Helper()
	_ = as[E](f, err)
}

// as is is, and returns the error for a closer look.
func as[E error](f *fixture, err error) E {
	f.Helper()
	var target E
	require.Error(f, err)
	require.Truef(f, errors.As(err, &target), "want %T, got %v", target, err)
	return target
}

// badToken asserts an *InvalidError on page_token.
func (f *fixture) badToken(err error) {
	f.Helper()
	invalid := as[*run.InvalidError](f, err)
	require.Len(f, invalid.Violations, 1)
	require.Equal(f, "page_token", invalid.Violations[0].Field)
}

// all reads a list to its end in pages of the given size.
func all[T any](f *fixture, size int, list func(run.Page) ([]T, string, error)) []T {
	f.Helper()
	var out []T
	var after string
	for {
		items, next, err := list(run.Page{Size: size, After: after})
		f.ok(err)
		require.LessOrEqual(f, len(items), size)
		out = append(out, items...)
		if next == "" {
			return out
		}
		require.NotEmpty(f, items, "a page that is not the last has items")
		after = next
	}
}
