package scenario

import (
	"sort"
	"strings"
)

// fragmentOpen opens the use of a fragment, as in {{>examples}}.
const fragmentOpen = "{{>"

// origin is a text of a document with the path of its field.
type origin struct{ field, text string }

// token is a piece of a template before its fragments are put in: literal text
// or, if fragment is not "", the use of one.
type token struct {
	text, fragment string
	// offset is where the token starts in its template, in bytes.
	offset int
}

// template is a text of the prompt, taken apart.
type template struct {
	origin
	tokens []token
}

// uses reports whether the template uses a fragment.
func (t template) uses(name string) bool {
	for _, tok := range t.tokens {
		if tok.fragment == name {
			return true
		}
	}
	return false
}

// span says that an expanded text, from start to the start of the next span,
// was taken from a field at an offset.
type span struct {
	start  int
	field  string
	offset int
}

// originOf returns where a byte of an expanded text came from.
func originOf(spans []span, offset int) (field string, at int) {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].start > offset }) - 1
	if i < 0 {
		return "", -1
	}
	return spans[i].field, spans[i].offset + offset - spans[i].start
}

// tokens takes a template apart. Its only syntax beyond variables is
// {{>name}}; a fragment holds none, so that nothing can loop.
func tokens(text string) (out []token, faults []fault) {
	rest, offset := text, 0
	for {
		open := strings.Index(rest, fragmentOpen)
		if open < 0 {
			break
		}
		if open > 0 {
			out = append(out, token{text: rest[:open], offset: offset})
		}
		offset, rest = offset+open, rest[open:]
		name, length := readName(rest, len(fragmentOpen))
		if length == 0 {
			faults = append(faults, fault{offset, `"{{>" must open a fragment such as {{>examples}}: a name of at most 63 lower-case letters, digits and underscores, closed by "}}"`})
			length = len(fragmentOpen)
		} else {
			out = append(out, token{fragment: name, offset: offset})
		}
		offset, rest = offset+length, rest[length:]
	}
	if rest != "" {
		out = append(out, token{text: rest, offset: offset})
	}
	return out, faults
}

// expandedSize is the length of a template with its fragments, without building it.
func (t template) expandedSize(fragments map[string]origin) int {
	size := 0
	for _, tok := range t.tokens {
		size += len(tok.text) + len(fragments[tok.fragment].text)
	}
	return size
}

// expand puts the fragments in and remembers where every byte came from. Its
// faults are offsets in the template.
func (t template) expand(fragments map[string]origin) (text string, spans []span, faults []fault) {
	var b strings.Builder
	b.Grow(t.expandedSize(fragments))
	last := ""
	for _, tok := range t.tokens {
		piece, from, at := tok.text, t.field, tok.offset
		if tok.fragment != "" {
			f := fragments[tok.fragment]
			piece, from, at = f.text, f.field, 0
		}
		if piece == "" {
			continue
		}
		if strings.HasSuffix(last, "{") && strings.HasPrefix(piece, "{") {
			faults = append(faults, fault{tok.offset, `"{{" must not be put together from a fragment and the text beside it`})
		}
		spans = append(spans, span{b.Len(), from, at})
		b.WriteString(piece)
		last = piece
	}
	return b.String(), spans, faults
}
