package documents

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Load reads a facts file: one YAML document with the fields of Set and
// format: unmask.facts/v1. The name is used in errors only.
//
// It reads strictly: unknown and repeated fields, aliases, anchors and further
// documents are refused. Every wording of every statement has to state its own
// fact and contradict no fact of the file, as Set.Check reads it. The error is a
// *LoadError with every problem found.
func Load(name string, data []byte) (*Set, error) {
	root, problem := parseDocument(data)
	if problem != nil {
		return nil, newLoadError(name, []FileProblem{*problem})
	}
	l := &loader{at: map[string]int{}}
	s := l.set(root)
	if len(l.problems) == 0 {
		l.compile(s)
	}
	if len(l.problems) == 0 {
		l.verify(s)
	}
	if err := newLoadError(name, l.problems); err != nil {
		return nil, err
	}
	var err error
	s.Revision, err = s.digest()
	return s, err
}

// yamlLine finds the line that the YAML library names in its errors.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

func parseDocument(data []byte) (*yaml.Node, *FileProblem) {
	if len(data) > MaxFileBytes {
		return nil, &FileProblem{Message: fmt.Sprintf("must not be larger than %d bytes, got %d", MaxFileBytes, len(data))}
	}
	if !utf8.Valid(data) {
		return nil, &FileProblem{Message: "must be UTF-8 text"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, further yaml.Node
	syntax := func(err error) *FileProblem {
		match := yamlLine.FindStringSubmatch(err.Error())
		line, _ := strconv.Atoi(match[1]) // no line is line 0, which means unknown
		return &FileProblem{Line: line, Message: "is not YAML: " + strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), match[0])), " ")}
	}
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, &FileProblem{Message: "is empty; a facts file has facts"}
	case err != nil:
		return nil, syntax(err)
	}
	switch err := decoder.Decode(&further); {
	case err == nil:
		return nil, &FileProblem{Line: further.Line, Message: "must hold one document, and a second one begins here"}
	case !errors.Is(err, io.EOF):
		return nil, syntax(err)
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return nil, &FileProblem{Message: "is empty; a facts file has facts"}
	}
	return document.Content[0], nil
}

// loader turns nodes into a Set and remembers on which line each field stood.
type loader struct {
	at       map[string]int
	problems []FileProblem
}

func (l *loader) fail(field, format string, args ...any) {
	line := l.at[field]
	for path := field; line == 0 && path != ""; {
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		line = l.at[path]
	}
	l.problems = append(l.problems, FileProblem{Line: line, Field: field, Message: fmt.Sprintf(format, args...)})
}

func (l *loader) set(n *yaml.Node) *Set {
	s := &Set{}
	l.fields(n, "", known{
		"format": {need, func(n *yaml.Node, path string) {
			if got := l.text(n, path); got != "" && got != Format {
				l.fail(path, "must be %s", Format)
			}
		}},
		"id":          {need, l.into(&s.ID)},
		"title":       {need, l.into(&s.Title)},
		"description": {maybe, l.into(&s.Description)},
		"forbidden":   {maybe, l.texts(&s.Forbidden)},
		"groups": {need, l.items(MaxFacts, func(n *yaml.Node, path string) {
			var g Group
			l.fields(n, path, known{"id": {need, l.into(&g.ID)}, "subject": {need, l.into(&g.Subject)}, "field": {need, l.into(&g.Field)}})
			s.Groups = append(s.Groups, g)
		})},
		"rivals": {maybe, l.items(MaxItems, func(n *yaml.Node, path string) {
			var list []string
			l.texts(&list)(n, path)
			s.Rivals = append(s.Rivals, list)
		})},
		"terms": {need, func(n *yaml.Node, path string) { s.Terms = l.terms(n, path) }},
		"facts": {need, l.items(MaxFacts, func(n *yaml.Node, path string) { s.Facts = append(s.Facts, l.fact(n, path)) })},
	})
	return s
}

func (l *loader) terms(n *yaml.Node, path string) []Term {
	var out []Term
	l.pairs(n, path, func(key, value *yaml.Node, field string) {
		t := Term{Name: key.Value}
		l.texts(&t.Phrases)(value, field)
		out = append(out, t)
	})
	return out
}

func (l *loader) fact(n *yaml.Node, path string) Fact {
	f := Fact{Weight: 1}
	claims := func(into *[]Claim) func(*yaml.Node, string) {
		return l.items(MaxItems, func(n *yaml.Node, path string) { *into = append(*into, l.claim(n, path)) })
	}
	l.fields(n, path, known{
		"id":    {need, l.into(&f.ID)},
		"group": {need, l.into(&f.Group)},
		"topic": {need, l.into(&f.Topic)},
		"weight": {maybe, func(n *yaml.Node, path string) {
			w, err := strconv.Atoi(n.Value)
			if l.mark(n, path); err != nil || n.ShortTag() != "!!int" || w < 1 || w > MaxWeight {
				l.fail(path, "must be a whole number from 1 to %d", MaxWeight)
			}
			f.Weight = w
		}},
		"statements":     {need, l.texts(&f.Statements)},
		"questions":      {need, l.texts(&f.Questions)},
		"claims":         {need, claims(&f.Claims)},
		"contradictions": {maybe, claims(&f.Contradictions)},
	})
	return f
}

func (l *loader) claim(n *yaml.Node, path string) Claim {
	var c Claim
	l.fields(n, path, known{
		"about":  {maybe, l.texts(&c.About)},
		"says":   {need, l.texts(&c.Says)},
		"except": {maybe, l.texts(&c.Except)},
		"negated": {maybe, func(n *yaml.Node, path string) {
			l.mark(n, path)
			if n.ShortTag() != "!!bool" {
				l.fail(path, "must be true or false")
			}
			c.Negated = strings.EqualFold(n.Value, "true")
		}},
	})
	return c
}
