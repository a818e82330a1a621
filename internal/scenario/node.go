package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object reads a mapping whose fields are known.
func (d *decoder) object(n *yaml.Node, path string, known map[string]reader) {
	d.pairs(n, path, func(key, value *yaml.Node) {
		read, ok := known[key.Value]
		if ok {
			read(value, child(path, key.Value))
			return
		}
		if d.report.full() {
			return
		}
		names := make([]string, 0, len(known))
		for name := range known {
			names = append(names, name)
		}
		slices.Sort(names)
		hint := "known are " + strings.Join(names, ", ")
		if near := closest(key.Value, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
			d.faulty[child(path, near)] = true // it is not missing
		}
		d.report.add(Problem{
			File: d.file, Line: key.Line, Column: key.Column, Field: named(path, key.Value),
			Message: fmt.Sprintf("unknown field %s; %s", shown(key.Value), hint),
		})
	})
}

// pairs walks a mapping and refuses keys that are not plain names or repeat.
func (d *decoder) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	d.mark(n, path)
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, path, "a mapping of fields")
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key, path, "a field's name must be a word, not %s", kindName(key))
			continue
		case key.Tag == "!!merge":
			d.fail(key, path, "merge keys (<<) are not supported; write the fields out")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			d.report.add(Problem{
				File: d.file, Line: key.Line, Column: key.Column, Field: named(path, key.Value),
				Message: fmt.Sprintf("field %s stands twice, first on line %d", shown(key.Value), line),
			})
			continue
		}
		seen[key.Value] = key.Line
		visit(key, value)
	}
}

// fields reads a nested object.
func (d *decoder) fields(known map[string]reader) reader {
	return func(n *yaml.Node, path string) { d.object(n, path, known) }
}

// items reads a list, one call for each item.
func (d *decoder) items(read reader) reader {
	return func(n *yaml.Node, path string) {
		d.mark(n, path)
		if n.Kind != yaml.SequenceNode {
			d.mismatch(n, path, "a list")
			return
		}
		for i, item := range n.Content {
			read(item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// texts reads a list of texts.
func (d *decoder) texts(into *[]string) reader {
	return d.items(func(n *yaml.Node, path string) {
		var s string
		d.text(&s)(n, path)
		*into = append(*into, s)
	})
}

// text reads a string. Other scalars are refused and not converted: YAML reads
// an unquoted True as a truth value and 007 as seven, and a prompt must hold
// exactly what its author meant.
func (d *decoder) text(into *string) reader {
	return func(n *yaml.Node, path string) {
		d.mark(n, path)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
			d.mismatch(n, path, "a text")
			return
		}
		*into = n.Value
	}
}

// flag reads true or false.
func (d *decoder) flag(into *bool) reader {
	return func(n *yaml.Node, path string) {
		d.mark(n, path)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			d.mismatch(n, path, "true or false")
			return
		}
		*into = strings.EqualFold(n.Value, "true")
	}
}

// number reads a decimal number.
func (d *decoder) number(into *float64) reader {
	return func(n *yaml.Node, path string) {
		d.mark(n, path)
		f, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" || err != nil || math.IsInf(f, 0) {
			d.mismatch(n, path, "a decimal number such as 0.5")
			return
		}
		*into = f
	}
}

// mismatch reports a value of another type than the one wanted.
func (d *decoder) mismatch(n *yaml.Node, path, want string) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		d.fail(n, path, "is empty; it must be %s", want)
	case n.Kind == yaml.ScalarNode && want == "a text":
		d.fail(n, path, "must be a text, not %s; put it in quotes", kindName(n))
	case kindName(n) == "a number" && strings.HasPrefix(want, "a decimal number"):
		d.fail(n, path, "must be %s, finite and in plain notation", want)
	default:
		d.fail(n, path, "must be %s, not %s", want, kindName(n))
	}
}

// variables reads a mapping from names to texts.
func (d *decoder) variables(into *map[string]string) reader {
	return func(n *yaml.Node, path string) {
		*into = map[string]string{}
		d.pairs(n, path, func(key, value *yaml.Node) {
			var s string
			d.text(&s)(value, child(path, key.Value))
			(*into)[key.Value] = s
		})
	}
}

// kindName says what a node is, for messages.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
	default:
		return "something else"
	}
	switch n.Tag {
	case "!!bool":
		return "a truth value"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	case "!!str":
		return "a text"
	default:
		return "something else"
	}
}
