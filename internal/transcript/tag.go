package transcript

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName bounds a tag name in bytes; longer ones are not ours.
	maxName = 48
	// maxTag bounds a tag with its attributes in bytes, so that hostile text
	// cannot make the reader look far ahead again and again.
	maxTag = 512
)

// form is the kind of bracket around a tag.
type form uint8

const (
	formNone      form = iota
	formAngle          // <name>
	formTriangle       // ◁name▷
	formSquare         // [name]
	formEscaped        // &lt;name&gt;, \u003cname\u003e, \<name\>
	formLookalike      // full-width and mathematical angle brackets
)

// brackets are the spellings of brackets beyond "<", ">", "[" and "]".
var brackets = []struct {
	open, shut string
	form       form
}{
	{"◁", "▷", formTriangle},
	{"&lt;", "&gt;", formEscaped},
	{"&LT;", "&GT;", formEscaped},
	{"&#60;", "&#62;", formEscaped},
	{"&#x3c;", "&#x3e;", formEscaped},
	{"&#x3C;", "&#x3E;", formEscaped},
	{`\u003c`, `\u003e`, formEscaped},
	{`\u003C`, `\u003E`, formEscaped},
	{`\x3c`, `\x3e`, formEscaped},
	{`\<`, `\>`, formEscaped},
	{"＜", "＞", formLookalike},
	{"﹤", "﹥", formLookalike},
	{"‹", "›", formLookalike},
	{"⟨", "⟩", formLookalike},
	{"〈", "〉", formLookalike},
	{"〈", "〉", formLookalike},
	{"《", "》", formLookalike},
}

// openBracket recognises an opening bracket at the start of s and returns its
// form and width in bytes.
func openBracket(s string) (form, int) {
	switch s[0] {
	case '<':
		return formAngle, 1
	case '[', '{':
		return formSquare, 1
	case 0xE2: // curly quotes and dashes begin with this byte too
		if len(s) < 3 || (s[1] == 0x80 && s[2] != 0xB9) {
			return formNone, 0
		}
	}
	for i := range brackets {
		if b := &brackets[i]; b.open[0] == s[0] && strings.HasPrefix(s, b.open) {
			return b.form, len(b.open)
		}
	}
	return formNone, 0
}

// tagReader reads one tag from left to right.
type tagReader struct {
	src   string
	pos   int
	limit int  // never read at or beyond this offset
	form  form // of the opening bracket
	first byte // of the opening bracket; ends attribute values
	odd   bool // the spelling needed forgiveness
	pipe  bool // a special token such as <|name|>
	name  [maxName]byte
	size  int
}

// fill skips white space and invisible characters and reports whether any
// white space was among them.
func (r *tagReader) fill() bool {
	white := false
	for r.pos < r.limit {
		c, w := utf8.DecodeRuneInString(r.src[r.pos:])
		switch {
		case c == utf8.RuneError || invisible(c):
			r.odd = true
		case unicode.IsSpace(c):
			white = true
		default:
			return white
		}
		r.pos += w
	}
	return white
}

// take skips one of the given strings, if one is next.
func (r *tagReader) take(options ...string) bool {
	for _, o := range options {
		if strings.HasPrefix(r.src[r.pos:], o) && r.pos+len(o) <= r.limit {
			r.pos += len(o)
			return true
		}
	}
	return false
}

// shut skips the closing bracket that fits the opening one. A bracket of
// another kind that imitates an angle bracket closes too, as an oddity.
func (r *tagReader) shut() bool {
	switch r.form {
	case formAngle:
		if r.take(">") {
			return true
		}
	case formSquare:
		if r.first == '{' {
			return r.take("}")
		}
		return r.take("]") && !strings.HasPrefix(r.src[r.pos:], "(")
	case formNone:
		return false
	}
	for i := range brackets {
		b := &brackets[i]
		if (b.form == formTriangle) == (r.form == formTriangle) && r.take(b.shut) {
			r.odd = r.odd || r.form == formAngle
			return true
		}
	}
	if r.form != formTriangle && r.take(">") {
		r.odd = true
		return true
	}
	return false
}

// word reads letters, digits and the characters that join them into the name,
// after an underscore if a word came before. A namespace before a colon is
// dropped. It reports whether it read anything.
func (r *tagReader) word() bool {
	start, size := r.pos, r.size
	if size > 0 {
		r.put('_')
	}
	base := r.size
	for r.pos < r.limit {
		c, w := utf8.DecodeRuneInString(r.src[r.pos:])
		if c == '\\' && r.size > base && r.pos+1 < r.limit && (r.src[r.pos+1] == '_' || r.src[r.pos+1] == '-') {
			r.odd = true // a Markdown escape
			r.pos++
			continue
		}
		if r.pos > start && (c == utf8.RuneError || invisible(c)) {
			r.odd = true
			r.pos += w
			continue
		}
		c, disguised := fold(c)
		if c == ':' && size == 0 && r.size > 0 && r.pos+1 < r.limit && isWord(r.src[r.pos+1]) {
			r.size = 0
			r.pos += w
			continue
		}
		letter := unicode.IsLetter(c) || (c >= '0' && c <= '9' && r.size > base)
		joint := (c == '_' || c == '-' || c == '.') && r.size > base
		if (!letter && !joint) || !r.put(c) {
			break
		}
		r.odd = r.odd || disguised
		r.pos += w
	}
	if r.size == base {
		r.pos, r.size = start, size
		return false
	}
	return true
}

func (r *tagReader) put(c rune) bool {
	if r.size+utf8.RuneLen(c) > maxName {
		return false
	}
	r.size += utf8.EncodeRune(r.name[r.size:], c)
	return true
}

// attribute skips name=value, where value may stand in quotes. It moves only
// if it succeeds.
func (r *tagReader) attribute() bool {
	p := r.pos
	for p < r.limit && (isWord(r.src[p]) || r.src[p] == '-' || r.src[p] == ':' || r.src[p] == '.') {
		p++
	}
	if p == r.pos {
		return false
	}
	for p < r.limit && (r.src[p] == ' ' || r.src[p] == '\t') {
		p++
	}
	if p >= r.limit || r.src[p] != '=' {
		return false
	}
	p++
	for p < r.limit && (r.src[p] == ' ' || r.src[p] == '\t') {
		p++
	}
	if p < r.limit && (r.src[p] == '"' || r.src[p] == '\'') {
		quote := r.src[p]
		for p++; p < r.limit && r.src[p] != quote; p++ {
			if c := r.src[p]; c == r.first || c == '<' || c == '\n' {
				return false
			}
		}
		if p >= r.limit {
			return false
		}
		r.pos = p + 1
		return true
	}
	for p < r.limit && r.src[p] > ' ' && strings.IndexByte("<>]}", r.src[p]) < 0 && r.src[p] != r.first {
		p++
	}
	r.pos = p
	return true
}

// number skips a bare number such as the 2 of <name #2>.
func (r *tagReader) number() bool {
	p := r.pos
	for p < r.limit && (r.src[p] == '#' || (r.src[p] >= '0' && r.src[p] <= '9')) {
		p++
	}
	moved := p > r.pos
	r.pos = p
	return moved
}

func isWord(c byte) bool {
	return c == '_' || (c >= '0' && c <= '9') || (c|0x20 >= 'a' && c|0x20 <= 'z')
}
