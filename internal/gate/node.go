package gate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// plain refuses what makes YAML mean more than it shows, and notes the place.
func (r *reader) plain(n *yaml.Node, path string) bool {
	r.at[path] = n
	switch {
	case n.Kind == yaml.AliasNode:
		r.fail(n, path, "must not be an alias")
	case n.Anchor != "":
		r.fail(n, path, "must not have an anchor")
	default:
		return true
	}
	return false
}

// fields reads a mapping with a reader for each known field. It returns false
// when the node is no mapping, so that no field is missed in it.
func (r *reader) fields(n *yaml.Node, path string, known map[string]func(*yaml.Node, string)) bool {
	if !r.plain(n, path) {
		return false
	}
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		r.fail(n, path, "must be a mapping of fields, got %s", kindOf(n))
		return false
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field := strings.TrimPrefix(path+"."+oneLine(key.Value), ".")
		read := known[key.Value]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || read == nil {
			r.fail(key, field, "is no known field; known are %s", names(known))
			continue
		}
		if first, twice := seen[key.Value]; twice {
			r.fail(key, field, "is given twice, first in line %d", first)
			continue
		}
		seen[key.Value] = key.Line
		if key.Anchor != "" {
			r.fail(key, field, "must not have an anchor")
			continue
		}
		read(value, field)
	}
	return true
}

func names(known map[string]func(*yaml.Node, string)) string {
	list := make([]string, 0, len(known))
	for name := range known {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (r *reader) items(n *yaml.Node, path string) []*yaml.Node {
	if !r.plain(n, path) {
		return nil
	}
	if n.Kind != yaml.SequenceNode || n.ShortTag() != "!!seq" {
		r.fail(n, path, "must be a list, got %s", kindOf(n))
		return nil
	}
	if len(n.Content) > maxRules {
		r.fail(n, path, "must hold at most %d rules, got %d", maxRules, len(n.Content))
		return nil
	}
	return n.Content
}

// scalar returns the text of a scalar with one of the given resolved tags.
func (r *reader) scalar(n *yaml.Node, path, what string, tags ...string) (string, bool) {
	if !r.plain(n, path) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || !slices.Contains(tags, n.ShortTag()) {
		r.fail(n, path, "must be %s, got %s", what, kindOf(n))
		return "", false
	}
	return n.Value, true
}

func (r *reader) text(n *yaml.Node, path string) string {
	value, ok := r.scalar(n, path, "a text", "!!str")
	if ok && value == "" {
		r.fail(n, path, "must not be empty; leave the field out for its default")
	}
	return value
}

// octal matches numbers that some readers of YAML take for octal ones.
var octal = regexp.MustCompile(`^[-+]?0[0-9]`)

// odd says that a number is one that readers of YAML disagree on: octal, with
// underscores, or made a number by an explicit tag.
func odd(n *yaml.Node, value string) bool {
	return octal.MatchString(value) || strings.Contains(value, "_") || n.Style&yaml.TaggedStyle != 0
}

func (r *reader) number(n *yaml.Node, path string) float64 {
	value, ok := r.scalar(n, path, "a number", "!!float", "!!int")
	if !ok {
		return 0
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || odd(n, value) {
		r.fail(n, path, "must be a decimal number, got %s", quoted(value))
		return 0
	}
	return f
}

func (r *reader) integer(n *yaml.Node, path string) int {
	value, ok := r.scalar(n, path, "a whole number", "!!int")
	if !ok {
		return 0
	}
	i, err := strconv.Atoi(value)
	if err != nil || odd(n, value) {
		r.fail(n, path, "must be a whole decimal number, got %s", quoted(value))
	}
	return i
}

func (r *reader) boolean(n *yaml.Node, path string) bool {
	value, ok := r.scalar(n, path, "true or false", "!!bool")
	if !ok {
		return true
	}
	b, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		r.fail(n, path, "must be true or false, got %s", quoted(value))
	}
	return b
}

// kindOf describes a node that is not what was expected.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!str":
		return "the text " + quoted(n.Value)
	default:
		return quoted(n.Value)
	}
}
