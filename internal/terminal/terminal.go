// Package terminal makes text that a model wrote safe to show in a terminal,
// and marks the spans that a verdict quotes.
package terminal

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe returns s with everything spelt out that could move the cursor, change
// colours, reorder text or hide in it: control characters but newline and tab,
// bidirectional controls, other invisible format characters, and bytes that
// are not UTF-8. A carriage return before a newline is dropped.
func Safe(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	writeSafe(&b, s)
	return b.String()
}

func writeSafe(b *strings.Builder, s string) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(b, `\x%02x`, s[i])
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == '\r' && strings.HasPrefix(s[i+1:], "\n"):
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(b, `\x%02x`, r)
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			fmt.Fprintf(b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
}

// Span is the byte range [Start, End) of a text.
type Span struct{ Start, End int }

// Style is what is written before and after a marked span.
type Style struct{ Open, Close string }

// Styles for terminals that show colours, and for those that do not.
var (
	Highlight = Style{"\x1b[30;43m", "\x1b[0m"}
	Plain     = Style{"«", "»"}
)

// Mark returns Safe(text) with the spans marked. Spans that overlap are marked
// as one, and those that do not lie within text are left out.
func Mark(text string, spans []Span, style Style) string {
	spans = slices.DeleteFunc(slices.Clone(spans), func(s Span) bool {
		return s.Start < 0 || s.End > len(text) || s.Start >= s.End
	})
	slices.SortFunc(spans, func(a, b Span) int { return a.Start - b.Start })
	var b strings.Builder
	at := 0
	for i := 0; i < len(spans); {
		start, end := spans[i].Start, spans[i].End
		for i++; i < len(spans) && spans[i].Start <= end; i++ {
			end = max(end, spans[i].End)
		}
		writeSafe(&b, text[at:start])
		b.WriteString(style.Open)
		writeSafe(&b, text[start:end])
		b.WriteString(style.Close)
		at = end
	}
	writeSafe(&b, text[at:])
	return b.String()
}
