package credential

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Scrub returns the first limit bytes of text with everything in the place of
// which Redacted stands that could be one of the secrets, or that looks like a
// credential of anybody. What lies behind them is looked at, so that a secret
// across the limit is found, and is not returned.
//
// A secret is found as it is and in part, from 8 letters and digits on; in base64
// of any alphabet and alignment, in hexadecimal and backwards; escaped as in URLs,
// JSON or HTML, several times over; and whatever its case is and whatever but
// letters and digits stands in between, such as white space or stars. Secrets with
// fewer than 4 letters and digits are not looked for.
func Scrub(text string, limit int, secrets ...string) string {
	spans := shapesIn(text)
	if n := newNeedles(secrets); len(n.grams) > 0 || len(n.short) > 0 {
		v := plainView(text)
		for range maxEscapes {
			spans = n.find(spans, v.alphanumeric())
			next := v.unescape()
			if len(next.text) == len(v.text) {
				break
			}
			v = next
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	limit = min(limit, len(text))
	var b strings.Builder
	at := 0
	for _, s := range spans {
		if s.start >= limit {
			break
		}
		if s.start >= at {
			b.WriteString(text[at:s.start])
			b.WriteString(Redacted)
		}
		at = max(at, s.end)
	}
	if at < limit {
		b.WriteString(text[at:limit])
	}
	return b.String()
}

// span is the bytes [start, end) of a text.
type span struct{ start, end int }

// maxEscapes is how many layers of escapes are seen through.
const maxEscapes = 4

// view is a text made from another one; its i-th byte stands for from[i].
type view struct {
	text []byte
	from []span
}

func plainView(text string) view {
	v := view{[]byte(text), make([]span, len(text))}
	for i := range v.from {
		v.from[i] = span{i, i + 1}
	}
	return v
}

// alphanumeric keeps letters and digits, in lower case.
func (v view) alphanumeric() view {
	out := view{make([]byte, 0, len(v.text)), make([]span, 0, len(v.text))}
	for i, c := range v.text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') {
			out.text, out.from = append(out.text, c), append(out.from, v.from[i])
		}
	}
	return out
}

// unescape takes one layer of escapes off. Its text is shorter where there was one.
func (v view) unescape() view {
	out := view{make([]byte, 0, len(v.text)), make([]span, 0, len(v.text))}
	for i := 0; i < len(v.text); {
		c, size := unescaped(v.text[i:])
		out.text = append(out.text, c)
		out.from = append(out.from, span{v.from[i].start, v.from[i+size-1].end})
		i += size
	}
	return out
}

// unescaped returns the byte with which a text that is not empty begins, and how
// many bytes stand for it. Characters beyond ASCII are in no credential; one byte
// that is no letter stands for each of them.
func unescaped(s []byte) (c byte, size int) {
	number := func(digits []byte, base, size int) (byte, int) {
		n, err := strconv.ParseUint(string(digits), base, 32)
		switch {
		case err != nil:
			return s[0], 1
		case n >= 0x80:
			return 0, size
		}
		return byte(n), size
	}
	switch {
	case s[0] == '%' && len(s) >= 3:
		return number(s[1:3], 16, 3)
	case s[0] == '\\' && len(s) >= 6 && s[1] == 'u':
		return number(s[2:6], 16, 6)
	case s[0] == '\\' && len(s) >= 4 && s[1] == 'x':
		return number(s[2:4], 16, 4)
	case s[0] == '\\' && len(s) >= 2:
		return s[1], 2
	case s[0] == '&':
		end := slices.Index(s[:min(len(s), 10)], ';')
		switch {
		case end < 2:
		case string(s[:end+1]) == "&amp;":
			return '&', end + 1
		case s[1] != '#':
			return 0, end + 1 // a named one is a mark and no letter
		case s[2] == 'x' || s[2] == 'X':
			return number(s[3:end], 16, end+1)
		default:
			return number(s[2:end], 10, end+1)
		}
	}
	return s[0], 1
}

// gram is how many letters and digits in a row betray a secret.
const gram = 8

// shortest is the length from which a secret shorter than a gram is looked for.
const shortest = 4

// needles are what is looked for in views of letters and digits.
type needles struct {
	// grams are all the pieces of the secrets' forms.
	grams map[[gram]byte]struct{}
	// short are forms that are shorter than a piece.
	short []string
	// heads are the beginnings of the forms, which a text that was cut may end with.
	heads []string
}

func newNeedles(secrets []string) needles {
	n := needles{grams: map[[gram]byte]struct{}{}}
	for _, secret := range secrets {
		if len(plainView(secret).alphanumeric().text) < shortest {
			continue
		}
		for _, form := range forms(secret) {
			letters := string(plainView(form).alphanumeric().text)
			if len(letters) < gram {
				if len(letters) >= shortest {
					n.short = append(n.short, letters)
				}
				continue
			}
			n.heads = append(n.heads, letters[:gram-1])
			for i := range len(letters) - gram + 1 {
				n.grams[[gram]byte([]byte(letters[i:i+gram]))] = struct{}{}
			}
		}
	}
	return n
}

// forms are the ways in which a secret could be written.
func forms(secret string) []string {
	backwards := []byte(secret)
	slices.Reverse(backwards)
	out := []string{secret, string(backwards), hex.EncodeToString([]byte(secret))}
	// In base64 the same bytes look different behind 0, 1 and 2 others; what
	// depends on those others is left out.
	for shift, skip := range []int{0, 2, 3} {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), secret...))
		if end := (shift + len(secret)) * 8 / 6; end > skip {
			out = append(out, encoded[skip:end])
		}
	}
	return out
}

// find adds to spans where the needles are in a view of letters and digits.
func (n needles) find(spans []span, v view) []span {
	add := func(start, end int) {
		s := span{v.from[start].start, v.from[end-1].end}
		if last := len(spans) - 1; last >= 0 && s.start >= spans[last].start && s.start <= spans[last].end {
			spans[last].end = max(spans[last].end, s.end)
			return
		}
		spans = append(spans, s)
	}
	for i := range max(0, len(v.text)-gram+1) {
		if _, ok := n.grams[[gram]byte(v.text[i:i+gram])]; ok {
			add(i, i+gram)
		}
	}
	text := string(v.text)
	for _, s := range n.short {
		for at := 0; ; {
			i := strings.Index(text[at:], s)
			if i < 0 {
				break
			}
			add(at+i, at+i+len(s))
			at += i + len(s)
		}
	}
	for _, head := range n.heads {
		for size := gram - 1; size >= shortest; size-- {
			if strings.HasSuffix(text, head[:size]) {
				add(len(text)-size, len(text))
				break
			}
		}
	}
	return spans
}

// shapes are what credentials look like; the first group is what is taken out.
var shapes = []*regexp.Regexp{
	// Headers that carry one, as lines and as fields.
	regexp.MustCompile(`(?i)\b(?:authorization|x-api-key|api-key|x-goog-api-key|x-auth-token|cookie)\b\\?["']?\s*[:=]\s*\\?["'\[]*([^\r\n"'}]+)`),
	regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+([a-z0-9._~+/=-]{16,})`),
	// Fields and parameters that are named for one.
	regexp.MustCompile(`(?i)(?:api|access|secret|private|auth|client|refresh)[-_]?(?:key|token|secret)\\?["']?\s*[:=]\s*\\?["']?([^\s"',;&}\\]{8,})`),
	regexp.MustCompile(`(?i)\bpassw(?:or)?d\\?["']?\s*[:=]\s*\\?["']?([^\s"',;&}\\]+)`),
	regexp.MustCompile(`(?i)[?&](?:key|token|sig|signature)=([^\s"'&]+)`),
	regexp.MustCompile(`://[^\s/:@"]*:([^\s/@"]+)@`),
	// Keys of well-known services, also those with stars in the middle.
	regexp.MustCompile(`\b((?:sk|pk|rk)[-_][A-Za-z0-9_*.-]{8,})`),
	regexp.MustCompile(`\b((?:xai|gsk|hf|gh[opsu]|github_pat|glpat|nvapi|r8|pplx|csk|tgp_v1|fw)[-_][A-Za-z0-9_-]{16,})`),
	regexp.MustCompile(`\b(xox[abeprs]-[A-Za-z0-9-]{8,}|AIza[A-Za-z0-9_-]{20,}|A[KS]IA[A-Z0-9]{12,}|ya29\.[A-Za-z0-9_-]{16,})`),
	regexp.MustCompile(`\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)`),
	regexp.MustCompile(`(-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z))`),
}

func shapesIn(text string) []span {
	var out []span
	for _, shape := range shapes {
		for _, at := range shape.FindAllStringSubmatchIndex(text, -1) {
			out = append(out, span{at[2], at[3]})
		}
	}
	return out
}
