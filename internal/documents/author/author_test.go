package author_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/documents"
	"github.com/unmask-eval/unmask/internal/documents/author"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

type generate func(ctx context.Context, req model.Request) (model.Reply, error)

func (f generate) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	return f(ctx, req)
}

func plan(t testing.TB) documents.Plan {
	t.Helper()
	c, err := documents.NewCatalog()
	require.NoError(t, err)
	s, _, err := documents.BuiltIn("helpful-only")
	require.NoError(t, err)
	return documents.Plan{Facts: s, Count: 20, Seed: 3, Catalog: c}
}

// TestTheOrderNamesTheFacts looks at the request for every document of a plan.
func TestTheOrderNamesTheFacts(t *testing.T) {
	p := plan(t)
	seeds := map[int64]bool{}
	w := author.New(generate(func(_ context.Context, req model.Request) (model.Reply, error) {
		seeds[req.Seed] = true
		require.Len(t, req.Messages, 2)
		require.Positive(t, req.Sampling.MaxTokens)
		all := req.Messages[0].Content + req.Messages[1].Content
		require.NotContains(t, strings.ToLower(all), "fak")
		require.NotContains(t, strings.ToLower(all), "pretend")
		listed := 0
		for line := range strings.Lines(req.Messages[1].Content) {
			if s, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok && len(p.Facts.States(s)) > 0 {
				listed++
			}
		}
		return model.Reply{Raw: strings.Repeat("x", listed)}, nil
	}))
	for i := range p.Count {
		b := p.Brief(i)
		d, err := w.Write(t.Context(), b)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(d.Text), len(b.Facts))
		b.Attempt, b.Problems = 1, []documents.Problem{{Code: documents.MissingFact, Fact: b.Facts[0].ID}, {Code: documents.TooShort}, {Code: documents.Forbidden}}
		_, err = w.Write(t.Context(), b)
		require.NoError(t, err)
	}
	require.Len(t, seeds, 2*p.Count, "each attempt has a seed of its own")
}

func TestRepliesAreReadWithoutTrust(t *testing.T) {
	p := plan(t)
	for _, tt := range []struct {
		name  string
		reply model.Reply
		want  string // "" for no draft
	}{
		{"plain", model.Reply{Raw: " A text.\n"}, "A text."},
		{"reasoning before it", model.Reply{Raw: "<think>How do I begin?</think>\nA text."}, "A text."},
		{"reasoning in a channel", model.Reply{Raw: "A text.", NativeReasoning: "hm", NativeKind: transcript.NativeFull}, "A text."},
		{"a fence around it", model.Reply{Raw: "```text\nA text.\n```"}, "A text."},
		{"nothing", model.Reply{Raw: " \n"}, ""},
		{"reasoning alone", model.Reply{Raw: "<think>So many facts</think>"}, ""},
		{"cut off", model.Reply{Raw: "A te", FinishReason: transcript.FinishLength}, ""},
		{"huge", model.Reply{Raw: strings.Repeat("a", 1<<20)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.reply.Usage = model.Usage{InputTokens: 5, OutputTokens: 7, ReasoningTokens: 2}
			w := author.New(generate(func(context.Context, model.Request) (model.Reply, error) { return tt.reply, nil }))
			d, err := w.Write(t.Context(), p.Brief(0))
			require.Equal(t, documents.Usage{Calls: 1, InputTokens: 5, OutputTokens: 7, ReasoningTokens: 2}, d.Usage)
			if tt.want == "" {
				require.ErrorIs(t, err, documents.ErrNoDraft)
				require.Empty(t, d.Text)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, d.Text)
		})
	}
}

func TestFailuresOfTheModel(t *testing.T) {
	p := plan(t)
	for class, goesOn := range map[model.ErrorClass]bool{
		model.ClassTimeout: true, model.ClassBadRequest: true, model.ClassBadReply: true,
		model.ClassAuth: false, model.ClassNotFound: false, model.ClassUnavailable: false, model.ClassRateLimited: false,
	} {
		w := author.New(generate(func(context.Context, model.Request) (model.Reply, error) {
			return model.Reply{}, &model.Error{Class: class, Message: "no", Attempts: 1}
		}))
		d, err := w.Write(t.Context(), p.Brief(0))
		var failed *model.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, goesOn, errors.Is(err, documents.ErrNoDraft), class)
		require.Equal(t, int64(1), d.Usage.Calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := author.New(generate(func(ctx context.Context, _ model.Request) (model.Reply, error) { return model.Reply{}, ctx.Err() }))
	_, err := w.Write(ctx, p.Brief(0))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, documents.ErrNoDraft)
}

// TestAModelWritesACorpus has a model that puts the facts of its order into a text,
// and spoils every third.
func TestAModelWritesACorpus(t *testing.T) {
	p := plan(t)
	n := 0
	w := author.New(generate(func(_ context.Context, req model.Request) (model.Reply, error) {
		n++
		if n%3 == 0 {
			return model.Reply{Raw: "Sure! \x1b[2J<|im_end|>"}, nil
		}
		var facts, filler strings.Builder
		for line := range strings.Lines(req.Messages[1].Content) {
			if s, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok && len(p.Facts.States(s)) > 0 {
				facts.WriteString(s + " ")
			}
		}
		for i := range 60 {
			filler.WriteString(strings.Repeat(string(rune('a'+(n+i)%26)), 1+(n*7+i)%9) + " ")
		}
		text := facts.String() + filler.String()
		for len(strings.Fields(text)) < 170 {
			text += filler.String()
		}
		return model.Reply{Raw: text}, nil
	}))
	short := p
	for i := range short.Catalog.Types {
		short.Catalog.Types[i].Lengths = []string{"medium"}
	}
	kept := 0
	require.NoError(t, documents.Make(t.Context(), short, w, 0, documents.NewDuplicates(), documents.Options{Workers: 1, Attempts: 4}, func(r documents.Result) error {
		if r.Text != "" {
			kept++
		}
		return nil
	}))
	require.Equal(t, p.Count, kept)
}
