package documents

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a text plain: valid UTF-8, "\n" at line ends, no control, format or
// private-use characters, no spaces at line ends, no more than one empty line.
func clean(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
		case r == '\n':
			b.WriteRune(r)
		case r == '\t' || unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Zl, unicode.Zp):
			b.WriteByte('\n')
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
		default:
			b.WriteRune(r)
		}
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	out, empty := lines[:0], false
	for _, line := range lines {
		line = strings.TrimRight(line, " ")
		if line == "" && empty {
			continue
		}
		empty = line == ""
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
