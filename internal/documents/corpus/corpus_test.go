package corpus_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/documents"
	"github.com/unmask-eval/unmask/internal/documents/corpus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// job is a corpus of helpful-only by the template.
func job(t testing.TB, dir string, count int, shape documents.Shape) corpus.Job {
	t.Helper()
	catalog, err := documents.NewCatalog()
	require.NoError(t, err)
	ref := func(id string) (*documents.Set, corpus.SetRef) {
		s, ok, err := documents.BuiltIn(id)
		require.NoError(t, err)
		require.True(t, ok)
		return s, corpus.SetRef{Source: id, ID: id, Revision: s.Revision}
	}
	j := corpus.Job{Dir: dir, Writer: documents.NewTemplate(catalog), Workers: 2, Version: "test"}
	j.Settings = corpus.Settings{
		Count: count, ControlShare: 0.2, Seed: 1 << 63, Shape: shape, Attempts: 5, Writer: corpus.WriterRef{Kind: "template"}, Catalog: catalog.Revision,
	}
	j.Plan = documents.Plan{Count: count, ControlShare: 0.2, Seed: 1 << 63, Catalog: catalog}
	j.Plan.Facts, j.Settings.Facts = ref("helpful-only")
	j.Plan.Control, j.Settings.Control = ref(documents.ControlID)
	return j
}

// holding wraps a writer so that the corpus ends at a document.
type holding struct {
	documents.Writer
	at int
}

var errHeld = errors.New("held")

func (h holding) Write(ctx context.Context, b documents.Brief) (documents.Draft, error) {
	if b.Index >= h.at {
		return documents.Draft{}, errHeld
	}
	return h.Writer.Write(ctx, b)
}

func read(t require.TestingT, dir, name string) []byte {
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return data
}

func TestACorpusIsWhatItsManifestSays(t *testing.T) {
	for _, shape := range []documents.Shape{documents.ShapeText, documents.ShapeChat} {
		t.Run(string(shape), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "corpus")
			m, err := corpus.Make(t.Context(), job(t, dir, 200, shape))
			require.NoError(t, err)
			require.Equal(t, 200, m.Planned)
			require.Equal(t, 200, m.Kept+m.Dropped)
			require.Equal(t, 40, m.Control)
			lines := bytes.Split(bytes.TrimSuffix(read(t, dir, corpus.DocumentsFile), []byte("\n")), []byte("\n"))
			require.Len(t, lines, m.Kept)
			words := 0
			for _, line := range lines {
				text, err := shape.Read(line)
				require.NoError(t, err)
				words += len(strings.Fields(text))
			}
			require.Equal(t, m.Words, words)
			for name, counts := range map[string]map[string]int{"types": m.Types, "viewpoints": m.Viewpoints, "lengths": m.Lengths, "facts of a document": m.PlannedFacts} {
				sum := 0
				for _, n := range counts {
					sum += n
				}
				require.Equal(t, m.Kept, sum, name)
			}
			for id, n := range m.Facts {
				require.Positive(t, n, id)
			}
			verified, err := corpus.Verify(dir)
			require.NoError(t, err)
			require.Equal(t, m, verified)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 4, "nothing is left over but the lock")

			_, err = corpus.Make(t.Context(), job(t, dir, 200, shape))
			var state *corpus.StateError
			require.ErrorAs(t, err, &state, "a corpus is never overwritten")
			resumed := job(t, dir, 200, shape)
			resumed.Resume, resumed.Writer = true, holding{resumed.Writer, 0}
			again, err := corpus.Make(t.Context(), resumed)
			require.NoError(t, err, "a complete one is verified, not written")
			require.Equal(t, m, again)

			data := read(t, dir, corpus.DocumentsFile)
			data[len(data)/2] ^= 1
			require.NoError(t, os.WriteFile(filepath.Join(dir, corpus.DocumentsFile), data, 0o600))
			_, err = corpus.Verify(dir)
			require.ErrorAs(t, err, &state)
			_, err = corpus.Make(t.Context(), resumed)
			require.ErrorAs(t, err, &state)
		})
	}
}

// TestAnInterruptedCorpusEndsAsAnUndisturbedOne stops at any place, tears both files
// at any byte, and goes on.
func TestAnInterruptedCorpusEndsAsAnUndisturbedOne(t *testing.T) {
	const count = 12
	whole := t.TempDir()
	want, err := corpus.Make(t.Context(), job(t, whole, count, documents.ShapeText))
	require.NoError(t, err)
	root, base := t.TempDir(), job(t, "", count, documents.ShapeText)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(root, "c")
		require.NoError(rt, err)
		j := base
		j.Dir = dir
		stops := rapid.SliceOfN(rapid.IntRange(0, count-1), 1, 3).Draw(rt, "stops")
		for i, stop := range stops {
			j.Resume = i > 0
			held := j
			held.Writer = holding{j.Writer, stop}
			if _, err = corpus.Make(t.Context(), held); err == nil {
				rt.Fatalf("made in spite of the hold at %d", stop)
			}
			require.ErrorIs(rt, err, errHeld)
			for _, name := range []string{corpus.DocumentsFile, corpus.IndexFile} {
				path := filepath.Join(dir, name+".part")
				data := read(rt, dir, name+".part")
				keep := rapid.IntRange(0, len(data)).Draw(rt, "bytes of "+name)
				if rapid.Bool().Draw(rt, "tear "+name) {
					data = data[:keep]
				}
				if rapid.Bool().Draw(rt, "rubbish in "+name) {
					data = append(data, "\x00\x00{\"index\":"...)
				}
				require.NoError(rt, os.WriteFile(path, data, 0o600))
			}
		}
		j.Resume = true
		got, err := corpus.Make(t.Context(), j)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
		for _, f := range want.Files {
			require.True(rt, bytes.Equal(read(rt, whole, f.Name), read(rt, dir, f.Name)), f.Name)
		}
	})
}

// TestACrashWhileFinishingLosesNothing stands at each step between the last
// document and the manifest.
func TestACrashWhileFinishingLosesNothing(t *testing.T) {
	for name, undo := range map[string]func(t *testing.T, dir string){
		"before the manifest": func(*testing.T, string) {},
		"between the two files": func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, corpus.IndexFile), filepath.Join(dir, corpus.IndexFile+".part")))
		},
		"before both": func(t *testing.T, dir string) {
			for _, f := range []string{corpus.IndexFile, corpus.DocumentsFile} {
				require.NoError(t, os.Rename(filepath.Join(dir, f), filepath.Join(dir, f+".part")))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := job(t, dir, 30, documents.ShapeText)
			held := j
			held.Writer = holding{j.Writer, 0}
			_, err := corpus.Make(t.Context(), held)
			require.ErrorIs(t, err, errHeld)
			settings := read(t, dir, "plan.json")
			j.Resume = true
			want, err := corpus.Make(t.Context(), j)
			require.NoError(t, err)
			require.NoError(t, os.Remove(filepath.Join(dir, corpus.ManifestFile)))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "plan.json"), settings, 0o600))
			undo(t, dir)
			_, err = corpus.Verify(dir)
			require.ErrorContains(t, err, "not complete")
			j.Writer = holding{j.Writer, 0}
			got, err := corpus.Make(t.Context(), j)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestACorpusIsContinuedUnderTheSameSettingsOnly(t *testing.T) {
	dir := t.TempDir()
	j := job(t, dir, 20, documents.ShapeText)
	held := j
	held.Writer = holding{j.Writer, 5}
	_, err := corpus.Make(t.Context(), held)
	require.ErrorIs(t, err, errHeld)
	saved, err := corpus.Saved(dir)
	require.NoError(t, err)
	require.Equal(t, j.Settings, saved)
	for name, change := range map[string]func(*corpus.Settings){
		"facts":         func(s *corpus.Settings) { s.Facts.Revision = "sha256:0" },
		"control facts": func(s *corpus.Settings) { s.Control.Revision = "sha256:0" },
		"count":         func(s *corpus.Settings) { s.Count++ },
		"control-share": func(s *corpus.Settings) { s.ControlShare = 0.3 },
		"seed":          func(s *corpus.Settings) { s.Seed-- },
		"shape":         func(s *corpus.Settings) { s.Shape = documents.ShapeChat },
		"attempts":      func(s *corpus.Settings) { s.Attempts++ },
		"writer":        func(s *corpus.Settings) { s.Writer.Kind = "model" },
		"model":         func(s *corpus.Settings) { s.Writer.Identity = "sha256:0" },
		"version":       func(s *corpus.Settings) { s.Catalog = "sha256:0" },
	} {
		t.Run(name, func(t *testing.T) {
			other := j
			other.Resume = true
			change(&other.Settings)
			_, err := corpus.Make(t.Context(), other)
			var state *corpus.StateError
			require.ErrorAs(t, err, &state)
			require.Contains(t, err.Error(), name)
		})
	}
	_, err = corpus.Saved(t.TempDir())
	var state *corpus.StateError
	require.ErrorAs(t, err, &state)
	nothing := job(t, t.TempDir(), 5, documents.ShapeText)
	nothing.Resume = true
	_, err = corpus.Make(t.Context(), nothing)
	require.ErrorAs(t, err, &state)
}

func TestTwoDoNotWriteOneCorpus(t *testing.T) {
	dir := t.TempDir()
	j := job(t, dir, 10, documents.ShapeText)
	second := j
	second.Resume = true
	tried := false
	j.Progress = func(done, _ int) {
		if done == 3 {
			tried = true
			_, err := corpus.Make(t.Context(), second)
			var state *corpus.StateError
			require.ErrorAs(t, err, &state)
			require.Contains(t, err.Error(), "another process")
		}
	}
	_, err := corpus.Make(t.Context(), j)
	require.NoError(t, err)
	require.True(t, tried)
}

// TestDroppedDocumentsAreCounted has a writer that never names a fact, with prices.
func TestDroppedDocumentsAreCounted(t *testing.T) {
	dir := t.TempDir()
	j := job(t, dir, 10, documents.ShapeText)
	in, out := 2.0, 10.0
	j.InputPrice, j.OutputPrice = &in, &out
	template := j.Writer
	j.Writer = writerFunc(func(ctx context.Context, b documents.Brief) (documents.Draft, error) {
		d, err := template.Write(ctx, b)
		d.Usage = documents.Usage{Calls: 1, InputTokens: 1000, OutputTokens: 100}
		if b.Index%2 == 1 {
			d.Text = strings.Repeat("word ", b.Length.MinWords+1)
		}
		return d, err
	})
	m, err := corpus.Make(t.Context(), j)
	require.NoError(t, err)
	require.Equal(t, 5, m.Kept)
	require.Equal(t, 5, m.Dropped)
	require.GreaterOrEqual(t, m.Rejected[documents.MissingFact], 25)
	require.Equal(t, int64(30), m.Usage.Calls)
	require.InDelta(t, (30*1000*2.0+30*100*10.0)/1e6, *m.Usage.Price, 1e-12)
	require.Equal(t, 10, bytes.Count(read(t, dir, corpus.IndexFile), []byte("\n")))
	require.Equal(t, 5, bytes.Count(read(t, dir, corpus.DocumentsFile), []byte("\n")))
}

type writerFunc func(ctx context.Context, b documents.Brief) (documents.Draft, error)

func (f writerFunc) Write(ctx context.Context, b documents.Brief) (documents.Draft, error) {
	return f(ctx, b)
}
