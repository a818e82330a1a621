package wire

import (
	"strings"

	"github.com/unmask-eval/unmask/internal/transcript"
)

// Reasoning gathers what a reply shows of the model's reasoning, and what it
// says there is without showing it. The zero value has seen nothing.
type Reasoning struct {
	full, summary strings.Builder
	hidden        bool
}

// Add notes a piece of reasoning that can be read, of a kind: NativeFull or
// NativeSummary. An empty piece is none; a summary of blanks is one that says
// nothing of reasoning that there was.
func (r *Reasoning) Add(kind transcript.NativeKind, text string) {
	switch {
	case kind == transcript.NativeFull:
		Paragraph(&r.full, text)
	case strings.TrimSpace(text) != "":
		Paragraph(&r.summary, text)
	case text != "":
		r.hidden = true
	}
}

// Hide notes that there was reasoning which the reply withholds.
func (r *Reasoning) Hide() { r.hidden = true }

// Readable reports whether anything can be read.
func (r *Reasoning) Readable() bool {
	return strings.TrimSpace(r.full.String()) != "" || strings.TrimSpace(r.summary.String()) != ""
}

// Result returns the reasoning channel and what it holds.
//
// Text is never given up for a hidden part beside it. But where a part is
// summarised or hidden, the rest is not the whole reasoning, so it counts as a
// summary: its silence proves nothing. Where nothing can be read and something
// is hidden, the channel is redacted, which is not the same as none.
func (r *Reasoning) Result() (string, transcript.NativeKind) {
	full, summary := r.full.String(), r.summary.String()
	switch {
	case !r.Readable() && r.hidden:
		return "", transcript.NativeRedacted
	case full == "" && summary == "":
		return "", transcript.NativeNone
	case summary == "" && !r.hidden:
		return full, transcript.NativeFull
	}
	var b strings.Builder
	Paragraph(&b, full)
	Paragraph(&b, summary)
	return b.String(), transcript.NativeSummary
}
