// Package quote finds what a judge quotes in the text that it quotes from.
//
// A judge copies words and seldom bytes: it changes white space, composes
// accents, straightens apostrophes. So both sides are folded (see fold), the
// quote is looked for in the folded text, and what is found is mapped back to
// byte offsets of the original, where every further check happens on the exact
// bytes. Words, letter case and punctuation have to agree: a paraphrase is not
// found.
package quote

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Text is a text that quotes are looked for in. It is safe for concurrent use.
type Text struct {
	original string
	folded   string
	// starts and ends map each byte of folded to the bytes of the original that
	// it comes from, [starts, ends). edge marks the bytes that begin a segment,
	// where alone a quote may begin or end.
	starts, ends []int32
	edge         []bool
}

// MaxText is the longest text in bytes that New takes; the rest is left out.
const MaxText = 1 << 30

// New folds a text.
func New(text string) *Text {
	if len(text) > MaxText {
		text = text[:MaxText]
	}
	t := &Text{original: text}
	var b strings.Builder
	b.Grow(len(text))
	fold(text, func(s string, start, end int) {
		if s == " " && b.Len() > 0 && strings.HasSuffix(b.String(), " ") {
			t.ends[len(t.ends)-1] = int32(end) // one space for any run of them
			return
		}
		for i := range len(s) {
			t.starts = append(t.starts, int32(start))
			t.ends = append(t.ends, int32(end))
			t.edge = append(t.edge, i == 0)
		}
		b.WriteString(s)
	})
	t.folded = b.String()
	return t
}

// Fold returns the form in which a text and a quote are compared.
func Fold(s string) string { return strings.Trim(New(s).folded, " ") }

// Find returns the byte offsets [start, end) in the original text of the first
// place that the quote stands at. They lie on character boundaries, and the
// bytes between them fold to what the quote folds to.
func (t *Text) Find(quote string) (start, end int, ok bool) {
	want := Fold(quote)
	if want == "" {
		return 0, 0, false
	}
	for from := 0; ; {
		i := strings.Index(t.folded[from:], want)
		if i < 0 {
			return 0, 0, false
		}
		i += from
		j := i + len(want)
		if t.edge[i] && (j == len(t.folded) || t.edge[j]) {
			start, end = int(t.starts[i]), int(t.ends[j-1])
			// A span that folds to something else on its own is no quote.
			if Fold(t.original[start:end]) == want {
				return start, end, true
			}
		}
		from = i + 1
	}
}

// fold calls emit for each segment of the compared form with the bytes of s that
// it comes from: compatibility composition (NFKC), white space as one space,
// invisible characters left out, quotation marks and dashes in one shape, and
// bytes that are not UTF-8 as U+FFFD, which is how they reach a judge.
func fold(s string, emit func(folded string, start, end int)) {
	var it norm.Iter
	it.InitString(norm.NFKC, s)
	for !it.Done() {
		start := it.Pos()
		segment := it.Next()
		end := it.Pos()
		if len(segment) == 1 && segment[0] < utf8.RuneSelf { // nearly all of a text
			c := segment[0]
			switch {
			case c == ' ' || c >= '\t' && c <= '\r':
				emit(" ", start, end)
			case c == '`':
				emit("'", start, end)
			default:
				emit(string(segment), start, end)
			}
			continue
		}
		var b strings.Builder
		for i := 0; i < len(segment); {
			r, size := utf8.DecodeRune(segment[i:])
			i += size
			if r = shape(r); r >= 0 {
				b.WriteRune(r)
			}
		}
		if b.Len() > 0 {
			emit(b.String(), start, end)
		}
	}
}

// shape returns the character that stands for r when texts are compared, or -1
// where none does.
func shape(r rune) rune {
	switch r {
	case '‘', '’', '‚', '‛', '′', '`', '´':
		return '\''
	case '“', '”', '„', '‟', '″', '«', '»':
		return '"'
	case '‐', '‑', '‒', '–', '—', '―', '−':
		return '-'
	}
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.In(r, unicode.Cf, unicode.Variation_Selector), r == '\u034f':
		return -1
	}
	return r
}
