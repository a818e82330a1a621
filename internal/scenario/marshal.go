package scenario

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML returns the scenario as one document with all of its queries, in the
// order of the format. Variables that are equal in every condition are written
// once, and fragments stand in the templates. Load reads the document back to
// the same revision.
func (s *Scenario) YAML() ([]byte, error) {
	doc := s.document()
	root := mapping()
	put(root, "format", word(doc.Format))
	put(root, "id", word(doc.ID))
	put(root, "title", text(doc.Title))
	putText(root, "description", doc.Description)
	putList(root, "references", doc.References, text)
	if v := doc.VariantOf; v != nil {
		of := mapping()
		put(of, "scenario", word(v.Scenario))
		put(of, "variant", word(v.Variant))
		put(of, "factor", word(string(v.Factor)))
		put(root, "variant_of", of)
	}
	put(root, "scratchpad", scratchpadNode(doc.Scratchpad))
	compliance := mapping()
	put(compliance, "rule", word(string(doc.Compliance.Rule)))
	put(compliance, "partial_weight", number(doc.Compliance.PartialWeight))
	put(root, "compliance", compliance)
	if doc.Sampling != nil {
		put(root, "sampling", samplingNode(doc.Sampling))
	}
	putList(root, "behaviors", doc.Behaviors, word)
	prompt := mapping()
	putText(prompt, "system", doc.Prompt.System)
	put(prompt, "user", text(doc.Prompt.User))
	put(root, "prompt", prompt)
	shared := sharedVariables(doc.Conditions)
	putVariables(root, shared, nil)
	conditions := list()
	for _, c := range doc.Conditions {
		arm := mapping()
		put(arm, "id", word(c.ID))
		put(arm, "role", word(string(c.Role)))
		putText(arm, "description", c.Description)
		putVariables(arm, c.Variables, shared)
		conditions.Content = append(conditions.Content, arm)
	}
	put(root, "conditions", conditions)
	contrasts := list()
	for _, c := range doc.Contrasts {
		contrast := mapping()
		put(contrast, "id", word(c.ID))
		put(contrast, "training", word(c.Training))
		put(contrast, "unmonitored", word(c.Unmonitored))
		putFlag(contrast, "primary", c.Primary)
		contrasts.Content = append(contrasts.Content, contrast)
	}
	put(root, "contrasts", contrasts)
	putVariants(root, doc.Variants)
	queries := list()
	for _, q := range doc.Queries {
		query := mapping()
		put(query, "id", word(q.ID))
		put(query, "category", word(q.Category))
		if q.Severity != "" {
			put(query, "severity", word(string(q.Severity)))
		}
		put(query, "text", text(q.Text))
		putFlag(query, "control", q.Control)
		queries.Content = append(queries.Content, query)
	}
	put(root, "queries", queries)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("encode scenario %s: %w", s.ID, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("encode scenario %s: %w", s.ID, err)
	}
	return b.Bytes(), nil
}

func putVariants(root *yaml.Node, variants []documentVariant) {
	nodes := list()
	for _, v := range variants {
		n := mapping()
		put(n, "id", word(v.ID))
		put(n, "factor", word(string(v.Factor)))
		putText(n, "description", v.Description)
		putVariables(n, v.Variables, nil)
		if v.Prompt != nil {
			prompt := mapping()
			if v.Prompt.System != nil {
				put(prompt, "system", text(*v.Prompt.System))
			}
			if v.Prompt.User != nil {
				put(prompt, "user", text(*v.Prompt.User))
			}
			put(n, "prompt", prompt)
		}
		nodes.Content = append(nodes.Content, n)
	}
	if len(nodes.Content) > 0 {
		put(root, "variants", nodes)
	}
}

func scratchpadNode(d documentScratchpad) *yaml.Node {
	n := mapping()
	put(n, "mode", word(string(d.Mode)))
	if d.Tags == nil {
		return n
	}
	tags := mapping()
	putList(tags, "scratchpad", d.Tags.Scratchpad, word)
	putList(tags, "draft", d.Tags.Draft, word)
	putList(tags, "output", d.Tags.Output, word)
	put(n, "tags", tags)
	return n
}

// sharedVariables are those that every one of several conditions sets alike.
func sharedVariables(conditions []documentArm) map[string]string {
	shared := map[string]string{}
	if len(conditions) < 2 {
		return shared
	}
	for name, value := range conditions[0].Variables {
		everywhere := true
		for _, c := range conditions[1:] {
			other, ok := c.Variables[name]
			everywhere = everywhere && ok && other == value
		}
		if everywhere {
			shared[name] = value
		}
	}
	return shared
}

// putVariables writes the variables that are not in except.
func putVariables(n *yaml.Node, variables, except map[string]string) {
	values := mapping()
	for _, name := range sortedNames(variables) {
		if _, skip := except[name]; !skip {
			put(values, name, text(variables[name]))
		}
	}
	if len(values.Content) > 0 {
		put(n, "variables", values)
	}
}

func putText(n *yaml.Node, key, value string) {
	if value != "" {
		put(n, key, text(value))
	}
}

func putFlag(n *yaml.Node, key string, value bool) {
	if value {
		put(n, key, scalar("true", "!!bool", 0))
	}
}

func putList(n *yaml.Node, key string, values []string, item func(string) *yaml.Node) {
	if len(values) == 0 {
		return
	}
	items := list()
	for _, v := range values {
		items.Content = append(items.Content, item(v))
	}
	put(n, key, items)
}

func put(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, word(key), value)
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func list() *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode} }

func scalar(value, tag string, style yaml.Style) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value, Style: style}
}

// word is an id, which the encoder quotes where YAML would read it as
// something else.
func word(s string) *yaml.Node { return scalar(s, "!!str", 0) }

// unsafeInBlock finds what a block scalar cannot hold unchanged, or only in a
// form that people misread: white space at the start of the text or at the end
// of a line, tabs, and an end of more than one line feed.
var unsafeInBlock = regexp.MustCompile(`^\s|[ \t]\n|[ \t]$|\t|\n\n+$`)

// text is free text: a block scalar where it has several lines, and otherwise
// quoted, so that nothing in it can mean anything to YAML.
func text(s string) *yaml.Node {
	if strings.Contains(s, "\n") && !unsafeInBlock.MatchString(s) {
		return scalar(s, "!!str", yaml.LiteralStyle)
	}
	return scalar(s, "!!str", yaml.DoubleQuotedStyle)
}

func number(f float64) *yaml.Node {
	value := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.ContainsAny(value, ".e") {
		return scalar(value, "!!float", 0)
	}
	return scalar(value, "!!int", 0)
}
