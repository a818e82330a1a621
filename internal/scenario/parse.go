package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// crowded reports whether a document may hold more than MaxNodes values, from
// the marks that YAML sets between values. It runs before parsing, which would
// take a hundred times the memory of the text. Prose has few such marks: 4 MiB
// of it stay far below the limit.
func crowded(data []byte) bool {
	marks := 0
	for i, c := range data {
		switch c {
		case ',', '[', '{':
			marks++
		case '-', ':', '?':
			if i+1 == len(data) || data[i+1] == ' ' || data[i+1] == '\n' || data[i+1] == '\r' || data[i+1] == '\t' {
				marks++
			}
		}
	}
	return marks > 2*MaxNodes
}

// parse reads the one document of a file into nodes, or reports why it cannot.
func (d *decoder) parse(data []byte) *yaml.Node {
	d.lines[d.file] = &source{source: data}
	if crowded(data) {
		d.report.add(Problem{File: d.file, Message: fmt.Sprintf("the document has more than %d values", MaxNodes)})
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := dec.Decode(&document)
	if errors.Is(err, io.EOF) || err == nil && (len(document.Content) != 1 || document.Content[0].Tag == "!!null") {
		d.report.add(Problem{File: d.file, Line: 1, Column: 1, Message: "is empty"})
		return nil
	}
	if err != nil {
		d.syntax(data, err)
		return nil
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			d.syntax(data, err)
			return nil
		}
		d.report.add(Problem{File: d.file, Line: second.Line, Column: second.Column, Message: "holds a second document; one file is one scenario"})
		return nil
	}
	nodes := 0
	before := len(d.report.problems)
	d.guard(document.Content[0], 1, &nodes)
	if len(d.report.problems) > before {
		return nil
	}
	return document.Content[0]
}

// guard refuses what YAML offers and the format does not: references, which
// can explode when they are followed, tags, and depth. It stops at the first
// of each kind that makes going on pointless.
func (d *decoder) guard(n *yaml.Node, depth int, nodes *int) {
	*nodes++
	refuse := func(format string, args ...any) {
		d.report.add(Problem{File: d.file, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)})
	}
	if *nodes == MaxNodes+1 {
		refuse("the document has more than %d values", MaxNodes)
	}
	if *nodes > MaxNodes {
		return
	}
	if depth > MaxDepth {
		refuse("nests deeper than %d levels", MaxDepth)
		return
	}
	if n.Kind == yaml.AliasNode {
		refuse("aliases (*name) are not supported; write the value out, or use a variable")
		return
	}
	if n.Anchor != "" {
		refuse("anchors (&name) are not supported; write the value out, or use a variable")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		refuse("tags (!name) are not supported")
	}
	for _, c := range n.Content {
		d.guard(c, depth+1, nodes)
	}
}
