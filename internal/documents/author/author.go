// Package author has a language model write the documents of a corpus. Its replies
// are hostile input: they are bounded, stripped of reasoning and of characters that
// no plain text holds, and checked like every draft before anything is kept.
package author

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/documents"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Generator is the way to the model: internal/model.Model, which says what errors
// mean. It bounds its own retries.
type Generator interface {
	Generate(ctx context.Context, req model.Request) (model.Reply, error)
}

// Writer is a documents.Writer that asks a model.
type Writer struct{ model Generator }

var _ documents.Writer = (*Writer)(nil)

// New returns a writer.
func New(m Generator) *Writer { return &Writer{m} }

// Write implements documents.Writer. A reply that cannot be used, and a request that
// the model refuses or does not answer in time, are failed attempts. An endpoint that
// cannot be reached, or refuses everybody, ends the work, for it would lose one
// document after another.
func (w *Writer) Write(ctx context.Context, b documents.Brief) (documents.Draft, error) {
	temperature := 1.0
	reply, err := w.model.Generate(ctx, model.Request{
		Messages: prompt(b),
		// A word of English is about one token and a third; the rest is room.
		Sampling: model.Sampling{Temperature: &temperature, MaxTokens: 2*b.Length.MaxWords + 2048},
		Seed:     b.Seed(),
		SampleID: fmt.Sprintf("documents/%d/%d", b.Index, b.Attempt),
	})
	d := documents.Draft{Usage: documents.Usage{
		Calls: 1, InputTokens: reply.Usage.InputTokens, OutputTokens: reply.Usage.OutputTokens, ReasoningTokens: reply.Usage.ReasoningTokens,
	}}
	if err != nil {
		return d, failure(ctx, err)
	}
	if reply.FinishReason == transcript.FinishLength || len(reply.Raw) > 4*documents.MaxDocumentBytes {
		return d, fmt.Errorf("%w: the reply is too long", documents.ErrNoDraft)
	}
	d.Text = text(reply)
	if d.Text == "" {
		return d, fmt.Errorf("%w: the reply is empty", documents.ErrNoDraft)
	}
	return d, nil
}

// failure tells a failed attempt from what ends the work.
func failure(ctx context.Context, err error) error {
	var failed *model.Error
	if ctx.Err() == nil && errors.As(err, &failed) {
		switch failed.Class {
		case model.ClassTimeout, model.ClassBadRequest, model.ClassBadReply:
			return fmt.Errorf("%w: %w", documents.ErrNoDraft, err)
		}
	}
	return err
}

// text is the document of a reply: what a user would have seen, without a fence of
// backquotes around the whole.
func text(reply model.Reply) string {
	parsed := transcript.Parse(transcript.Reply{
		Raw: reply.Raw, NativeReasoning: reply.NativeReasoning, NativeKind: reply.NativeKind, FinishReason: reply.FinishReason,
	})
	s := strings.TrimSpace(parsed.Answer)
	const fence = "```"
	if inner, ok := strings.CutPrefix(s, fence); ok && strings.HasSuffix(inner, fence) && strings.Count(s, fence) == 2 {
		if _, body, ok := strings.Cut(strings.TrimSuffix(inner, fence), "\n"); ok {
			s = strings.TrimSpace(body)
		}
	}
	return s
}
