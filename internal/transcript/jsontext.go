package transcript

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON text can name half of a surrogate pair (\ud83d alone), which is no
// character and which UTF-8 cannot hold. Replies do contain such halves, where
// a server cut a text between two tokens. text keeps them as the three bytes
// that UTF-8 would give them, and appendText writes them back as the escape
// they came from. Other broken bytes have no spelling in JSON: they are kept in
// memory and written as U+FFFD, one for each byte.

var errNotText = errors.New("must be a string")

// text is a JSON string, decoded without loss.
type text string

// UnmarshalJSON decodes a JSON string or null, which is the empty text.
func (t *text) UnmarshalJSON(literal []byte) error {
	if string(literal) == "null" {
		*t = ""
		return nil
	}
	n := len(literal)
	if n < 2 || literal[0] != '"' || literal[n-1] != '"' {
		return errNotText
	}
	out := make([]byte, 0, n-2)
	for body := literal[1 : n-1]; len(body) > 0; {
		if body[0] != '\\' {
			k := 1
			for k < len(body) && body[k] != '\\' {
				k++
			}
			out, body = append(out, body[:k]...), body[k:]
			continue
		}
		r, width := escape(body)
		if width == 0 {
			return errNotText
		}
		out, body = appendRune(out, r), body[width:]
	}
	*t = text(out)
	return nil
}

// escape decodes the escape sequence at the start of b, both halves of a
// surrogate pair together, and returns its width, or 0 if it is not valid.
func escape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if low, ok := hex4(b[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return r, 6
}

// hex4 decodes \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(v), err == nil
}

// appendRune is utf8.AppendRune, except that it keeps surrogate halves.
func appendRune(out []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(out, r)
}

// surrogateAt decodes a surrogate half that appendRune kept at the start of s.
func surrogateAt(s string) (rune, bool) {
	if len(s) < 3 || s[0] != 0xED || s[1] < 0xA0 || s[1] > 0xBF || s[2]&0xC0 != 0x80 {
		return 0, false
	}
	return rune(s[0]&0x0F)<<12 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), true
}

// appendText appends s as a JSON string in valid UTF-8.
func appendText(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, w := utf8.DecodeRuneInString(s[i:])
		if c >= utf8.RuneSelf && (r != utf8.RuneError || w > 1) && r != '\u2028' && r != '\u2029' {
			i += w
			continue
		}
		out = append(out, s[from:i]...)
		half, isHalf := surrogateAt(s[i:])
		switch {
		case isHalf:
			r, w = half, 3
			out = append(out, '\\', 'u', hex[r>>12], hex[r>>8&0xF], hex[r>>4&0xF], hex[r&0xF])
		case r == utf8.RuneError:
			out = append(out, "\uFFFD"...)
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\t':
			out = append(out, '\\', 't')
		case c == '\r':
			out = append(out, '\\', 'r')
		default: // control characters and the separators that JavaScript breaks lines at
			out = append(out, '\\', 'u', hex[r>>12&0xF], hex[r>>8&0xF], hex[r>>4&0xF], hex[r&0xF])
		}
		i += w
		from = i
	}
	out = append(out, s[from:]...)
	return append(out, '"')
}
