package documents

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is a text with alternatives: "(a|b)" stands for a or b and may be
// nested, "{name}" for what the rule of that name gives. Parentheses without a
// bar are parentheses.
type pattern []piece

// piece is one of: a literal, a reference, a choice.
type piece struct {
	literal string
	ref     string
	choice  []pattern
}

// maxNesting bounds how deeply alternatives nest.
const maxNesting = 8

// parsePattern reads a pattern.
func parsePattern(s string) (pattern, error) {
	p := patternParser{s: s}
	out, err := p.sequence(0)
	if err != nil {
		return nil, err
	}
	return out, nil
}

type patternParser struct {
	s  string
	at int
}

// sequence reads up to the end, or inside of a choice up to '|' or ')'.
func (p *patternParser) sequence(depth int) (pattern, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("alternatives are nested more than %d deep", maxNesting)
	}
	var out pattern
	literal := func(s string) {
		if n := len(out); n > 0 && out[n-1].ref == "" && out[n-1].choice == nil {
			out[n-1].literal += s
			return
		}
		out = append(out, piece{literal: s})
	}
	for p.at < len(p.s) {
		switch c := p.s[p.at]; {
		case depth > 0 && (c == '|' || c == ')'):
			return out, nil
		case c == '|':
			return nil, errors.New("a bar stands outside of parentheses")
		case c == '}':
			return nil, errors.New("a closing brace has no opening one")
		case c == '{':
			name, _, ok := strings.Cut(p.s[p.at+1:], "}")
			if !ok || !isRuleName(name) {
				return nil, errors.New("an opening brace is not followed by a name and a closing brace")
			}
			out = append(out, piece{ref: name})
			p.at += len(name) + 2
		case c == '(':
			start := p.at
			options, err := p.options(depth)
			switch {
			case err != nil:
				return nil, err
			case len(options) == 1: // plain parentheses
				literal("(")
				out = append(out, options[0]...)
				literal(")")
			default:
				out = append(out, piece{choice: options})
			}
			if p.at == start {
				return nil, errors.New("a parenthesis is not closed")
			}
		case c == ')':
			return nil, errors.New("a closing parenthesis has no opening one")
		default:
			end := strings.IndexAny(p.s[p.at:], "|(){}")
			if end < 0 {
				end = len(p.s) - p.at
			}
			literal(p.s[p.at : p.at+end])
			p.at += end
		}
	}
	return out, nil
}

// options reads "(a|b|c)".
func (p *patternParser) options(depth int) ([]pattern, error) {
	var out []pattern
	for {
		p.at++ // '(' or '|'
		option, err := p.sequence(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, option)
		if p.at >= len(p.s) {
			return nil, errors.New("a parenthesis is not closed")
		}
		if p.s[p.at] == ')' {
			p.at++
			return out, nil
		}
	}
}

func isRuleName(s string) bool {
	if s == "" || len(s) > 40 {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// variants counts the texts of a pattern without references, or returns limit+1
// if there are more than limit.
func (p pattern) variants(limit int) int {
	n := 1
	for _, part := range p {
		if part.choice == nil {
			continue
		}
		sum := 0
		for _, option := range part.choice {
			sum = min(sum+option.variants(limit), limit+1)
		}
		n = min(n*sum, limit+1)
	}
	return n
}

// each calls fn with every text of a pattern without references.
func (p pattern) each(fn func(string)) { p.walk("", fn) }

func (p pattern) walk(prefix string, fn func(string)) {
	if len(p) == 0 {
		fn(prefix)
		return
	}
	head, rest := p[0], p[1:]
	if head.choice == nil {
		rest.walk(prefix+head.literal, fn)
		return
	}
	for _, option := range head.choice {
		option.walk(prefix, func(s string) { rest.walk(s, fn) })
	}
}

// refs lists the names that a pattern refers to.
func (p pattern) refs() []string {
	var out []string
	for _, part := range p {
		if part.ref != "" {
			out = append(out, part.ref)
		}
		for _, option := range part.choice {
			out = append(out, option.refs()...)
		}
	}
	return out
}

// expand draws one text. Names are looked up by resolve, which a pattern without
// references does not need.
func (p pattern) expand(rng *rand.Rand, resolve func(name string) string) string {
	var b strings.Builder
	for _, part := range p {
		switch {
		case part.choice != nil:
			b.WriteString(part.choice[rng.IntN(len(part.choice))].expand(rng, resolve))
		case part.ref != "":
			b.WriteString(resolve(part.ref))
		default:
			b.WriteString(part.literal)
		}
	}
	return b.String()
}

// capital returns s with an upper-case first letter.
func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if !unicode.IsLower(r) {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
