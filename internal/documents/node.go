package documents

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// known are the fields of a mapping, and which of them have to be there.
type known map[string]struct {
	must bool
	read func(n *yaml.Node, path string)
}

const (
	need  = true
	maybe = false
)

func (l *loader) mark(n *yaml.Node, path string) { l.at[path] = n.Line }

// plain refuses what makes YAML mean more than it shows.
func (l *loader) plain(n *yaml.Node, path string) bool {
	l.mark(n, path)
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		l.fail(path, "must not use anchors or aliases; write it out")
		return false
	}
	return true
}

// pairs walks a mapping of plain, unrepeated names.
func (l *loader) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node, field string)) {
	if !l.plain(n, path) {
		return
	}
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		l.fail(path, "must be a mapping of fields")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || key.Anchor != "" || !isName(key.Value) {
			l.problems = append(l.problems, FileProblem{key.Line, path, "has a field whose name is not lower-case letters, digits, hyphens and underscores"})
			continue
		}
		field := strings.TrimPrefix(path+"."+key.Value, ".")
		if seen[key.Value] {
			l.problems = append(l.problems, FileProblem{key.Line, field, "is given twice"})
			continue
		}
		seen[key.Value] = true
		l.at[field] = key.Line
		visit(key, value, field)
	}
}

func (l *loader) fields(n *yaml.Node, path string, fields known) {
	given := map[string]bool{}
	l.pairs(n, path, func(key, value *yaml.Node, field string) {
		given[key.Value] = true
		f, ok := fields[key.Value]
		if !ok {
			l.fail(field, "is no known field; known are %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			return
		}
		f.read(value, field)
	})
	if n.Kind != yaml.MappingNode {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name].must && !given[name] {
			l.fail(strings.TrimPrefix(path+"."+name, "."), "is missing")
		}
	}
}

func (l *loader) items(limit int, read func(n *yaml.Node, path string)) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		if !l.plain(n, path) {
			return
		}
		if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > limit {
			l.fail(path, "must be a list of 1 to %d items", limit)
			return
		}
		for i, item := range n.Content {
			read(item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// text reads a string; other scalars are refused and not converted.
func (l *loader) text(n *yaml.Node, path string) string {
	if !l.plain(n, path) {
		return ""
	}
	value := strings.TrimSpace(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		l.fail(path, "must be a text; put other values in quotes")
	case value == "":
		l.fail(path, "must not be empty")
	case len(value) > MaxTextBytes:
		l.fail(path, "must have at most %d bytes, got %d", MaxTextBytes, len(value))
	case clean(value) != value:
		l.fail(path, "must not hold control or invisible characters")
	default:
		return value
	}
	return ""
}

func (l *loader) into(s *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) { *s = l.text(n, path) }
}

func (l *loader) texts(into *[]string) func(*yaml.Node, string) {
	return l.items(MaxItems, func(n *yaml.Node, path string) { *into = append(*into, l.text(n, path)) })
}

// isName reports lower-case letters, digits, hyphens and underscores, 1 to 64.
func isName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
