package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxLineFields is how many fields of a line are looked at; a query has five.
const maxLineFields = 16

// jsonl reads a query file: one JSON object a line, with the fields of a
// query. Blank lines are passed over. It stops above MaxQueries.
func (d *decoder) jsonl(s *Scenario, file string, data []byte) {
	for number := 1; len(data) > 0 && len(s.Queries) <= MaxQueries; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		l := queryLine{
			decoder: d, dec: json.NewDecoder(bytes.NewReader(line)), line: line,
			at: mark{file: file, line: number, column: 1}, field: fmt.Sprintf("queries[%d]", len(s.Queries)),
		}
		d.marks[l.field] = l.at
		s.Queries = append(s.Queries, l.read())
	}
}

// queryLine reads one line token by token: json.Unmarshal would take the last
// of two equal fields and say nothing, and knows no columns.
type queryLine struct {
	*decoder
	dec   *json.Decoder
	line  []byte
	at    mark
	field string
}

func (l queryLine) read() Query {
	var q Query
	texts := map[string]*string{"id": &q.ID, "category": &q.Category, "severity": (*string)(&q.Severity), "text": &q.Text}
	if t, err := l.dec.Token(); err != nil || t != json.Delim('{') {
		l.fail(l.at.column, l.field, `must be one JSON object, such as {"id": "q1", "category": "fraud", "text": "..."}`)
		return q
	}
	seen := map[string]bool{}
	for l.dec.More() {
		column := l.column()
		t, err := l.dec.Token()
		if err != nil {
			l.broken(err)
			return q
		}
		name, _ := t.(string) // the decoder lets nothing else be a name
		if seen[name] {
			l.fail(column, named(l.field, name), "field "+shown(name)+" stands twice")
			l.faulty[l.field] = true // whichever was meant, the rest is not read
			return q
		}
		seen[name] = true
		path, column := child(l.field, name), l.column()
		value, err := l.dec.Token()
		if err != nil {
			l.broken(err)
			return q
		}
		l.marks[path] = mark{file: l.at.file, line: l.at.line, column: column}
		into, isText := texts[name]
		switch v := value.(type) {
		case string:
			if isText {
				*into = v
				continue
			}
		case bool:
			if name == "control" {
				q.Control = v
				continue
			}
		}
		l.refuse(name, path, column, isText)
		if _, nested := value.(json.Delim); nested || len(seen) > maxLineFields {
			l.faulty[l.field] = true
			return q
		}
	}
	l.end()
	return q
}

// refuse reports a field that is unknown or has a value of the wrong type.
func (l queryLine) refuse(name, path string, column int, isText bool) {
	switch {
	case isText:
		l.fail(column, path, "must be a text")
	case name == "control":
		l.fail(column, path, "must be true or false")
	default:
		l.fail(column, named(l.field, name), "unknown field "+shown(name)+"; known are category, control, id, severity, text")
	}
}

// end reports whatever is wrong behind the last field.
func (l queryLine) end() {
	if _, err := l.dec.Token(); err != nil {
		l.broken(err)
		return
	}
	column := l.column()
	if _, err := l.dec.Token(); !errors.Is(err, io.EOF) {
		l.fail(column, l.field, "has something behind the object; a line holds one query")
	}
}

func (l queryLine) broken(err error) {
	column := l.column()
	message := "the line ends before the object does"
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		message, _, _ = strings.Cut(syntax.Error(), " looking for")
	}
	l.fail(column, l.field, "is not valid JSON: "+message)
}

func (l queryLine) fail(column int, field, message string) {
	l.faulty[field] = true
	l.report.add(Problem{File: l.at.file, Line: l.at.line, Column: column, Field: field, Message: message})
}

// column is where the next token starts, in characters from 1.
func (l queryLine) column() int {
	offset := int(l.dec.InputOffset())
	for offset < len(l.line) && bytes.IndexByte([]byte(" \t\r:,"), l.line[offset]) >= 0 {
		offset++
	}
	return utf8.RuneCount(l.line[:offset]) + 1
}
