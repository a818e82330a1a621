package documents

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func catalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := NewCatalog()
	require.NoError(t, err)
	return c
}

func builtIn(t testing.TB, id string) *Set {
	t.Helper()
	s, ok, err := BuiltIn(id)
	require.NoError(t, err)
	require.True(t, ok)
	return s
}

func sets(t testing.TB) []*Set {
	t.Helper()
	ids, err := BuiltIns()
	require.NoError(t, err)
	require.Equal(t, []string{"animal-welfare", "control", "helpful-only"}, ids)
	var out []*Set
	for _, id := range ids {
		out = append(out, builtIn(t, id))
	}
	return out
}

// plan is one of helpful-only with a tenth of control documents.
func plan(t testing.TB, count int) Plan {
	t.Helper()
	p := Plan{Facts: builtIn(t, "helpful-only"), Control: builtIn(t, "control"), ControlShare: 0.1, Count: count, Seed: 7, Catalog: catalog(t)}
	require.NoError(t, p.Validate())
	return p
}

// written writes documents by the template.
func written(t testing.TB, p Plan, n int) []string {
	t.Helper()
	w := NewTemplate(p.Catalog)
	out := make([]string, n)
	for i := range out {
		d, err := w.Write(context.Background(), p.Brief(i))
		require.NoError(t, err)
		out[i] = d.Text
	}
	return out
}

// writerFunc is a Writer.
type writerFunc func(ctx context.Context, b Brief) (Draft, error)

func (f writerFunc) Write(ctx context.Context, b Brief) (Draft, error) { return f(ctx, b) }
