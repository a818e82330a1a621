package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/run"
)

type kind int

const (
	end kind = iota
	word
	quoted
	equals
	// broken tokens fit nowhere; their text says what they are.
	broken
)

type token struct {
	kind kind
	text string
	// at is the place of the first character, counted from 1.
	at int
}

// shownBytes is how much of a token an error repeats.
const shownBytes = 32

// String names a token in an error.
func (t token) String() string {
	switch t.kind {
	case end:
		return "the end"
	case broken:
		return t.text
	default:
		text := t.text
		if len(text) > shownBytes {
			text = strings.ToValidUTF8(text[:shownBytes], "") + "..."
		}
		return fmt.Sprintf("%q", text)
	}
}

func (t token) problem(format string, args ...any) error {
	return run.Invalid("filter", "at character %d: %s", t.at, fmt.Sprintf(format, args...))
}

// scanner cuts a filter into tokens in one pass.
type scanner struct {
	text   string
	offset int
}

func (s *scanner) next() token {
	for s.offset < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.offset]) >= 0 {
		s.offset++
	}
	start := s.offset
	at := utf8.RuneCountInString(s.text[:start]) + 1
	if start == len(s.text) {
		return token{kind: end, at: at}
	}
	switch c := s.text[start]; {
	case c == '=':
		s.offset++
		return token{equals, "=", at}
	case c == '"':
		return s.quoted(at)
	case strings.IndexByte(`<>!:()'`, c) >= 0:
		s.offset++
		return token{broken, fmt.Sprintf("%q, which is not supported: the form is field = value", c), at}
	}
	for s.offset < len(s.text) && strings.IndexByte(" \t\r\n=\"<>!:()'", s.text[s.offset]) < 0 {
		s.offset++
	}
	return token{word, s.text[start:s.offset], at}
}

// quoted reads a text in quotes; the offset stands on the first one.
func (s *scanner) quoted(at int) token {
	var b strings.Builder
	for i := s.offset + 1; i < len(s.text); i++ {
		switch c := s.text[i]; c {
		case '"':
			s.offset = i + 1
			return token{quoted, b.String(), at}
		case '\\':
			i++
			if i < len(s.text) && (s.text[i] == '"' || s.text[i] == '\\') {
				b.WriteByte(s.text[i])
				continue
			}
			s.offset = len(s.text)
			return token{broken, `a backslash that is not followed by a quote or a backslash`, at}
		default:
			b.WriteByte(c)
		}
	}
	s.offset = len(s.text)
	return token{broken, "a text whose closing quote is missing", at}
}
