package scenario

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// mark is the place of a field in a file.
type mark struct {
	file         string
	line, column int
	// literal is the text of a block scalar ("|"), whose lines stand in the
	// file as they are, so that each of its bytes has a place of its own.
	literal string
}

// place reports a finding of check at the place of its field, or of the
// nearest field around it. In a text with fragments it is the place that the byte
// at the offset came from.
func (d *decoder) place(field string, offset int, message string) {
	at := d.inFile(field)
	if spans := d.expanded[field]; spans != nil && offset >= 0 && !d.faulty[at] {
		at, offset = originOf(spans, offset)
	}
	d.placeAt(at, offset, message)
}

// inFile returns the path of a field of a variant as it stands in its file.
func (d *decoder) inFile(field string) string {
	rest, ok := strings.CutPrefix(field, "variants[")
	if !ok {
		return field
	}
	number, rest, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	if err != nil || i >= len(d.variantFields) {
		return field
	}
	return d.variantFields[i] + rest
}

// placeAt is place for a path as it stands in a file.
func (d *decoder) placeAt(field string, offset int, message string) {
	if d.report.full() {
		return
	}
	if shared, ok := d.shared[field]; ok {
		field = shared
	}
	m, exact := mark{file: d.file, line: 1, column: 1}, false
	for path := field; ; path = parent(path) {
		if d.faulty[path] {
			return
		}
		if found, ok := d.marks[path]; ok {
			m, exact = found, path == field
			break
		}
		if path == "" {
			break
		}
	}
	if exact && offset >= 0 && offset < len(m.literal) {
		m = d.within(m, offset)
	}
	d.report.add(Problem{File: m.file, Line: m.line, Column: m.column, Field: field, Message: message})
}

// within returns the place of a byte of a block scalar.
func (d *decoder) within(m mark, offset int) mark {
	before, after := m.literal[:offset], m.literal[offset:]
	start := strings.LastIndexByte(before, '\n') + 1
	line := m.line + 1 + strings.Count(before, "\n")
	lines := d.lines[m.file]
	if lines == nil || line > lines.count() {
		return m
	}
	end := strings.IndexByte(after, '\n')
	if end < 0 {
		end = len(after)
	}
	source := lines.line(line)
	indent := max(len(source)-(offset-start)-end, 0)
	return mark{file: m.file, line: line, column: indent + utf8.RuneCountInString(before[start:]) + 1}
}

// parent is the path of the field around a field.
func parent(path string) string {
	if file, ok := strings.CutSuffix(path, includeMark); ok {
		return file
	}
	i := strings.LastIndexAny(path, ".["+includeMark)
	if i >= 0 && path[i:i+1] == includeMark {
		i++
	}
	return path[:max(i, 0)]
}

// child is the path of a field of an object.
func child(path, name string) string {
	if path == "" || strings.HasSuffix(path, includeMark) {
		return path + name
	}
	return path + "." + name
}

// named is child for a name that came from the document; a name that is not a
// short word stays out of the path.
func named(path, name string) string {
	if shown(name) != `"`+name+`"` {
		return path
	}
	return child(path, name)
}

// mark remembers where a field stands.
func (d *decoder) mark(n *yaml.Node, path string) {
	m := mark{file: d.file, line: n.Line, column: n.Column}
	if n.Kind == yaml.ScalarNode && n.Style&yaml.LiteralStyle != 0 {
		m.literal = n.Value
	}
	d.marks[path] = m
}

// source finds the lines of a file, once somebody asks for one.
type source struct {
	source []byte
	starts []int
}

func (s *source) index() {
	if s.starts != nil {
		return
	}
	s.starts = append(s.starts, 0)
	for i, c := range s.source {
		if c == '\n' {
			s.starts = append(s.starts, i+1)
		}
	}
}

func (s *source) count() int {
	s.index()
	return len(s.starts)
}

// line returns a line, counted from 1, without its end.
func (s *source) line(number int) string {
	s.index()
	rest := s.source[s.starts[number-1]:]
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.TrimSuffix(string(line), "\r")
}
