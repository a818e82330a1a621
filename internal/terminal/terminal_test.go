package terminal_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/terminal"
)

func TestSafe(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text stays", "Ünïcode ok\n\tyes", "Ünïcode ok\n\tyes"},
		{"an escape sequence is spelt out", "\x1b[2Jgone", `\x1b[2Jgone`},
		{"a title sequence is spelt out", "\x1b]0;x\a", `\x1b]0;x\x07`},
		{"a C1 control is spelt out", "\u009b31m", `\u{9b}31m`},
		{"bidirectional controls are spelt out", "a\u202eb", `a\u{202e}b`},
		{"zero-width characters are spelt out", "a\u200bb", `a\u{200b}b`},
		{"invalid bytes are spelt out", "a\xff", `a\xff`},
		{"a lone carriage return is spelt out", "safe\rfake", `safe\x0dfake`},
		{"CRLF is a newline", "a\r\nb", "a\nb"},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, terminal.Safe(tt.in)) })
	}
}

func TestMark(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		spans      []terminal.Span
		want       string
	}{
		{"one span", "abcdef", []terminal.Span{{1, 3}}, "a«bc»def"},
		{"unsorted spans", "abcdef", []terminal.Span{{4, 5}, {0, 1}}, "«a»bcd«e»f"},
		{"overlapping spans are one", "abcdef", []terminal.Span{{1, 3}, {2, 5}}, "a«bcde»f"},
		{"spans outside are left out", "abc", []terminal.Span{{-1, 2}, {2, 9}, {2, 2}}, "abc"},
		{"marked text is made safe", "a\x1bb", []terminal.Span{{1, 2}}, `a«\x1b»b`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, terminal.Mark(tt.text, tt.spans, terminal.Plain))
		})
	}
}

func TestWhateverTheTextNothingControlsTheTerminal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(rt, "text"))
		a, b := rapid.IntRange(0, len(text)).Draw(rt, "a"), rapid.IntRange(0, len(text)).Draw(rt, "b")
		out := terminal.Mark(text, []terminal.Span{{min(a, b), max(a, b)}}, terminal.Plain)
		require.True(rt, utf8.ValidString(out))
		require.Less(rt, strings.IndexFunc(out, func(r rune) bool {
			return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
		}), 0)
	})
}
