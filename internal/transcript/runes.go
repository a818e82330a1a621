package transcript

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// byteOrderMark may precede a reply; it is not text.
const byteOrderMark = "\uFEFF"

// invisible reports whether a rune leaves no mark on a page and is not white
// space: zero-width characters, joiners, direction marks, fillers.
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x206F,
		r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE0FFF:
		return true
	}
	switch r {
	case 0xAD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x2800, 0x3164, 0xFEFF, 0xFFA0:
		return true
	}
	return false
}

// blank reports whether s holds nothing that can be read: white space,
// invisible and control characters, broken bytes, no-break space entities.
func blank(s string) bool {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c <= ' ' || c == 0x7F:
			i++
		case c == '&' && strings.HasPrefix(s[i:], "&nbsp;"):
			i += len("&nbsp;")
		case c < utf8.RuneSelf:
			return false
		default:
			r, w := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError && !invisible(r) && !unicode.IsSpace(r) && !unicode.IsControl(r) {
				return false
			}
			i += w
		}
	}
	return true
}

// fold maps a rune to the lower-case ASCII letter, digit, underscore or hyphen
// that it stands for or imitates (full-width forms, Greek and Cyrillic capitals
// and small letters of the same shape). disguised is true where it imitates.
// Other letters are only put in lower case.
func fold(r rune) (folded rune, disguised bool) {
	switch {
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A', false
	case r < utf8.RuneSelf:
		return r, false
	case r >= 0xFF21 && r <= 0xFF3A: // full-width capitals
		return r - 0xFF21 + 'a', true
	case r >= 0xFF41 && r <= 0xFF5A: // full-width small letters
		return r - 0xFF41 + 'a', true
	case r >= 0xFF10 && r <= 0xFF19: // full-width digits
		return r - 0xFF10 + '0', true
	case r == 0xFF3F:
		return '_', true
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0xFF0D, r == 0xFE63:
		return '-', true
	}
	if l, ok := lookalikes[r]; ok {
		return l, true
	}
	return unicode.ToLower(r), false
}

// lookalikes are Cyrillic and Greek letters drawn like Latin ones. It is only
// read.
var lookalikes = map[rune]rune{
	'А': 'a', 'а': 'a', 'В': 'b', 'Е': 'e', 'е': 'e', 'К': 'k', 'к': 'k', 'М': 'm', 'Н': 'h', 'О': 'o', 'о': 'o',
	'Р': 'p', 'р': 'p', 'С': 'c', 'с': 'c', 'Т': 't', 'т': 't', 'У': 'y', 'у': 'y', 'Х': 'x', 'х': 'x', 'І': 'i', 'і': 'i', 'Ѕ': 's', 'ѕ': 's',
	'Α': 'a', 'Β': 'b', 'Ε': 'e', 'Ζ': 'z', 'Η': 'h', 'Ι': 'i', 'Κ': 'k', 'Μ': 'm', 'Ν': 'n', 'Ο': 'o', 'Ρ': 'p', 'Τ': 't', 'Υ': 'y', 'Χ': 'x',
	'ο': 'o', 'α': 'a', 'ν': 'v', 'ι': 'i', 'ρ': 'p',
}

// spell normalises a tag name given by a scenario to the form in which the
// tag reader spells names: lower case, blanks as underscores, no angle brackets. It returns "" for a name that no tag could have.
func spell(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "</>")
	r := tagReader{src: s, limit: len(s)}
	for r.pos < len(s) {
		if !r.word() {
			return ""
		}
		r.fill()
	}
	return string(r.name[:r.size])
}
