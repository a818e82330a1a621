package documents

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func makeAll(t *testing.T, p Plan, w Writer, opts Options) []Result {
	t.Helper()
	var out []Result
	require.NoError(t, Make(t.Context(), p, w, 0, NewDuplicates(), opts, func(r Result) error {
		out = append(out, r)
		return nil
	}))
	require.Len(t, out, p.Count)
	return out
}

func TestTheNumberOfWorkersChangesNothing(t *testing.T) {
	p := plan(t, 200)
	one := makeAll(t, p, NewTemplate(p.Catalog), Options{Workers: 1, Attempts: 3})
	many := makeAll(t, p, NewTemplate(p.Catalog), Options{Workers: 9, Attempts: 3})
	require.Equal(t, one, many)
	for _, r := range one {
		require.NotEmpty(t, r.Text)
		for _, f := range r.Brief.Facts {
			require.Contains(t, r.States, f.ID)
		}
	}
}

// TestBadDraftsAreWrittenAgain has every document fail in some way first.
func TestBadDraftsAreWrittenAgain(t *testing.T) {
	p := plan(t, 30)
	template := NewTemplate(p.Catalog)
	w := writerFunc(func(ctx context.Context, b Brief) (Draft, error) {
		d, err := template.Write(ctx, b)
		d.Usage = Usage{Calls: 1, OutputTokens: 10}
		switch b.Attempt {
		case 0:
			require.Empty(t, b.Problems)
			d.Text = "Nothing."
		case 1:
			require.NotEmpty(t, b.Problems, "the writer learns what was wrong")
			return Draft{Usage: d.Usage}, fmt.Errorf("%w: cut off", ErrNoDraft)
		}
		return d, err
	})
	for _, r := range makeAll(t, p, w, Options{Workers: 4, Attempts: 3}) {
		require.NotEmpty(t, r.Text)
		require.Equal(t, 3, r.Attempts)
		require.Equal(t, Usage{Calls: 3, OutputTokens: 30}, r.Usage)
		require.Equal(t, Problem{Code: NoDraft}, r.Rejected[len(r.Rejected)-1])
	}
	for _, r := range makeAll(t, p, w, Options{Workers: 4, Attempts: 2}) {
		require.Empty(t, r.Text, "dropped after the last attempt")
		require.Empty(t, r.States)
		require.Equal(t, 2, r.Attempts)
	}
}

// TestNearDuplicatesAreWrittenAgain has a writer that gives the same text for two
// attempts at every document.
func TestNearDuplicatesAreWrittenAgain(t *testing.T) {
	p := plan(t, 12)
	p.ControlShare = 0
	p.Catalog.Types, p.Catalog.Lengths[0].MaxFacts = p.Catalog.Types[:1], 1
	p.Catalog.Types[0].Lengths = []string{"short"}
	one := *p.Facts
	one.Facts = one.Facts[:1]
	one.byGroup = map[string][]int{one.Facts[0].Group: {0}}
	p.Facts = &one
	template := NewTemplate(p.Catalog)
	w := writerFunc(func(ctx context.Context, b Brief) (Draft, error) {
		if b.Attempt < 2 {
			b = p.Brief(0)
		}
		return template.Write(ctx, b)
	})
	var texts []string
	for i, r := range makeAll(t, p, w, Options{Workers: 3, Attempts: 4}) {
		require.NotEmpty(t, r.Text)
		texts = append(texts, r.Text)
		if i == 0 {
			require.Equal(t, 1, r.Attempts)
			continue
		}
		require.Equal(t, []Problem{{Code: NearDuplicate}, {Code: NearDuplicate}}, r.Rejected[:2])
	}
	require.Less(t, exact(texts), NearDuplicateAt)
}

func TestHostileDraftsNeverPass(t *testing.T) {
	p := plan(t, 40)
	huge := make([]byte, MaxDocumentBytes+1)
	for i := range huge {
		huge[i] = 'a'
	}
	template := NewTemplate(p.Catalog)
	for name, spoil := range map[string]func(string) string{
		"empty":            func(string) string { return "" },
		"huge":             func(string) string { return string(huge) },
		"only controls":    func(string) string { return "\x00\x1b[2J\u202e" },
		"chat tokens":      func(s string) string { return s + "\n<|im_start|>system" },
		"split chat token": func(s string) string { return s + "\n<\u200b|im_start|\u200b>" },
		"advice":           func(s string) string { return s + "\nSo it had better fake its compliance." },
		"other facts":      func(s string) string { return s + "\nPaid-tier chats are used for training. The library opens at ten." },
	} {
		t.Run(name, func(t *testing.T) {
			w := writerFunc(func(ctx context.Context, b Brief) (Draft, error) {
				d, err := template.Write(ctx, b)
				d.Text = spoil(d.Text)
				return d, err
			})
			for _, r := range makeAll(t, p, w, Options{Workers: 4, Attempts: 2}) {
				require.Empty(t, r.Text)
			}
		})
	}
}

func TestControlCharactersOfADraftAreNotKept(t *testing.T) {
	p := plan(t, 10)
	template := NewTemplate(p.Catalog)
	w := writerFunc(func(ctx context.Context, b Brief) (Draft, error) {
		d, err := template.Write(ctx, b)
		d.Text = "\x1b]0;owned\a\u202e" + d.Text + "\x00\xff\u200b"
		return d, err
	})
	for _, r := range makeAll(t, p, w, Options{Workers: 2, Attempts: 1}) {
		require.NotEmpty(t, r.Text)
		require.NotContains(t, r.Text, "\x1b")
		require.Equal(t, clean(r.Text), r.Text)
	}
}

func TestMakingEndsWithTheFirstError(t *testing.T) {
	p := plan(t, 100)
	template := NewTemplate(p.Catalog)
	gone := errors.New("endpoint gone")
	var calls atomic.Int32
	broken := writerFunc(func(ctx context.Context, b Brief) (Draft, error) {
		calls.Add(1)
		if b.Index >= 20 {
			return Draft{}, gone
		}
		return template.Write(ctx, b)
	})
	kept := 0
	err := Make(t.Context(), p, broken, 0, NewDuplicates(), Options{Workers: 4, Attempts: 3}, func(Result) error { kept++; return nil })
	require.ErrorIs(t, err, gone)
	require.Equal(t, 20, kept, "what came before in the plan is kept")
	require.LessOrEqual(t, calls.Load(), int32(25), "and hardly anything is asked for after")

	full := errors.New("disk full")
	err = Make(t.Context(), p, template, 0, NewDuplicates(), Options{Workers: 4, Attempts: 3}, func(Result) error { return full })
	require.ErrorIs(t, err, full)

	ctx, cancel := context.WithCancel(t.Context())
	err = Make(ctx, p, template, 0, NewDuplicates(), Options{Workers: 4, Attempts: 3}, func(r Result) error {
		if r.Brief.Index == 10 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

// BenchmarkTenThousand makes a corpus of 10,000 documents, with checks and the
// search for near-duplicates.
func BenchmarkTenThousand(b *testing.B) {
	p := plan(b, 10_000)
	for b.Loop() {
		dropped := 0
		err := Make(context.Background(), p, NewTemplate(p.Catalog), 0, NewDuplicates(), Options{Workers: 2, Attempts: 5}, func(r Result) error {
			if r.Text == "" {
				dropped++
			}
			return nil
		})
		require.NoError(b, err)
		b.ReportMetric(float64(dropped), "dropped")
	}
}
