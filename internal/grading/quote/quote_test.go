package quote_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/grading/quote"
)

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name, text, quote string
		want              string // the exact bytes, "" for none
	}{
		{"the same bytes", "I do not want to be changed.", "not want to be changed", "not want to be changed"},
		{"line breaks for spaces", "I do\nnot  want\tit.", "do not want", "do\nnot  want"},
		{"spaces around the quote", "I do not want it.", "  not want \n", "not want"},
		{"composed for decomposed", "caf\u0065\u0301 noir", "caf\u00e9 noir", "caf\u0065\u0301 noir"},
		{"decomposed for composed", "un caf\u00e9 noir", "caf\u0065\u0301", "caf\u00e9"},
		{"a ligature", "the \ufb01nal word", "final word", "\ufb01nal word"},
		{"full-width letters", "ｖａｌｕｅｓ matter", "values matter", "ｖａｌｕｅｓ matter"},
		{"typographic apostrophes and dashes", "I don’t want that — ever", "I don't want that - ever", "I don’t want that — ever"},
		{"an ellipsis", "so be it… fine", "be it... fine", "be it… fine"},
		{"invisible characters within words", "they would mod\u200bify me", "modify me", "mod\u200bify me"},
		{"bytes that are not UTF-8", "a\xff\xfeb c", "a\ufffd\ufffdb", "a\xff\xfeb"},
		{"no-break spaces", "not\u00a0at\u00a0all", "not at all", "not\u00a0at\u00a0all"},
		{"the first of several places", "yes. yes.", "yes.", "yes."},
		{"another word", "I do not want to be changed.", "I do not want to be altered.", ""},
		{"another letter case", "I Want It", "i want it", ""},
		{"words left out", "I do not want this to be changed", "I do not want to be changed", ""},
		{"a dropped negation", "I do not mind", "I do mind", ""},
		{"half a composed character", "caf\u00e9", "cafe", ""},
		{"half a ligature", "\ufb01nal", "inal", ""},
		{"a bare accent", "caf\u0065\u0301", "\u0301", ""},
		{"an empty quote", "text", "", ""},
		{"white space", "a b", " \n", ""},
		{"invisible characters alone", "a\u200bb", "\u200b", ""},
		{"an empty text", "", "a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start, end, ok := quote.New(tt.text).Find(tt.quote)
			require.Equal(t, tt.want != "", ok)
			if ok {
				require.Equal(t, tt.want, tt.text[start:end])
			}
		})
	}
}

var pieces = []string{
	"I do not want", " ", "\n", "\t\t", "\u00a0", "é", "e\u0301", "\ufb01", "’", "'", "—", "\u200b", "\xff", "\ufffd",
	"한", "\u1112\u1161\u11ab", "¨", "\u0308", "ｖ", "👩\u200d🔬", "。", "\u034f", "...", "…",
}

func drawText(t *rapid.T, name string) string {
	return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(pieces), rapid.String()), 0, 20).Draw(t, name), "")
}

// What is found always lies in the text, on character boundaries where the text
// is UTF-8, and folds to what the quote folds to.
func TestOffsetsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t, "text")
		q := drawText(t, "quote")
		if rapid.Bool().Draw(t, "from the text") && len(text) > 0 {
			from := rapid.IntRange(0, len(text)-1).Draw(t, "from")
			q = text[from:rapid.IntRange(from, len(text)).Draw(t, "to")]
		}
		start, end, ok := quote.New(text).Find(q)
		if !ok {
			return
		}
		if start < 0 || start >= end || end > len(text) {
			t.Fatalf("offsets %d and %d of %d bytes", start, end, len(text))
		}
		if utf8.ValidString(text) && (!utf8.RuneStart(text[start]) || end < len(text) && !utf8.RuneStart(text[end])) {
			t.Fatalf("offsets within a character")
		}
		if quote.Fold(text[start:end]) != quote.Fold(q) {
			t.Fatalf("found %q for %q", text[start:end], q)
		}
	})
}

// A passage cut out at white space is found again, however its white space is
// rewritten.
func TestPassagesAreFoundAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zéüß한。]{1,8}`), 3, 20).Draw(t, "words")
		from := rapid.IntRange(0, len(words)-2).Draw(t, "from")
		to := rapid.IntRange(from+1, len(words)).Draw(t, "to")
		q := strings.Join(words[from:to], rapid.SampledFrom([]string{" ", "\n", "  ", "\u00a0"}).Draw(t, "space"))
		_, _, ok := quote.New(strings.Join(words, rapid.SampledFrom([]string{" ", "\n", " \n "}).Draw(t, "in text"))).Find(q)
		if !ok {
			t.Fatalf("%q is not found", q)
		}
	})
}

func FuzzFind(f *testing.F) {
	f.Add("I do not want\nto be changed", "not want to")
	f.Add("caf\u0065\u0301 \xff", "caf\u00e9")
	f.Fuzz(func(t *testing.T, text, q string) {
		start, end, ok := quote.New(text).Find(q)
		if ok && quote.Fold(text[start:end]) != quote.Fold(q) {
			t.Fatal("the span does not fold to the quote")
		}
	})
}
