package rubric

import (
	"unicode"
	"unicode/utf8"
)

// foldRune appends the comparable form of r to dst: lower case, without
// accents, with typographic variants and letters of other scripts that imitate
// Latin ones replaced. Characters that a reader does not see (format controls,
// combining marks, variation selectors) add nothing, so a word that was split
// by them is read as one word.
func foldRune(dst []byte, r rune, latin bool) []byte {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(dst, byte(r))
	case invisible(r):
		return dst
	case r >= 0xFF01 && r <= 0xFF5E: // full-width forms
		return foldRune(dst, r-0xFF01+'!', latin)
	case r >= 0x1D400 && r <= 0x1D6A3: // mathematical alphabets, 52 letters each
		n := (r - 0x1D400) % 52
		return append(dst, byte('a'+n%26))
	}
	r = unicode.ToLower(r)
	if s, ok := accents[r]; ok {
		return append(dst, s...)
	}
	if latin {
		if b, ok := lookalikes[r]; ok {
			return append(dst, b)
		}
	}
	return utf8.AppendRune(dst, r)
}

// invisible reports whether a reader sees nothing of r. Combining marks count,
// since they only decorate the letter before them.
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == 0xAD, r == 0x34F, r == 0x61C, r == 0x180E, r == 0xFEFF, r == 0x3164:
		return true
	case r >= 0x300 && r <= 0x36F, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x206F, r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE0FFF:
		return true
	default:
		return false
	}
}

// accents maps accented Latin letters, lower case, to their plain form.
var accents = accentTable(map[string]string{
	"a": "àáâãäåāăą", "c": "çćčĉ", "d": "ďđ", "e": "èéêëēĕėęě", "g": "ğģĝ",
	"i": "ìíîïĩīįı", "k": "ķ", "l": "ĺļľł", "n": "ñńņň", "o": "òóôõöøōŏő",
	"r": "ŕŗř", "s": "śşšș", "t": "ţťț", "u": "ùúûüũūŭůűų", "w": "ŵ",
	"y": "ýÿŷ", "z": "źżž", "ss": "ß", "ae": "æ", "oe": "œ", "fi": "ﬁ", "fl": "ﬂ",
})

func accentTable(groups map[string]string) map[rune]string {
	t := make(map[rune]string, 96)
	for plain, letters := range groups {
		for _, r := range letters {
			t[r] = plain
		}
	}
	return t
}

// lookalikes maps Cyrillic and Greek letters that imitate Latin ones. They are
// replaced only in words that also hold Latin letters, so that text which is
// really Russian or Greek stays what it is.
var lookalikes = map[rune]byte{
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'ё': 'e', 'һ': 'h', 'і': 'i', 'ї': 'i', 'ј': 'j',
	'к': 'k', 'ӏ': 'l', 'м': 'm', 'н': 'h', 'о': 'o', 'р': 'p', 'ԛ': 'q', 'г': 'r', 'ѕ': 's', 'т': 't',
	'ц': 'u', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x', 'у': 'y', 'з': 'z',
	'α': 'a', 'β': 'b', 'ϲ': 'c', 'ε': 'e', 'η': 'n', 'ι': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p',
	'σ': 'o', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ω': 'w', 'γ': 'y',
}
