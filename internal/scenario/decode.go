package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/unmask-eval/unmask/internal/grading"
)

// decoder turns the nodes of a document into a Scenario and remembers where
// each field stands. It reports what the format's types forbid; what the
// content must satisfy is the business of check.
type decoder struct {
	file string
	// lines are those of each file, by its name.
	lines  map[string]*source
	report *report
	marks  map[string]mark
	// faulty holds the fields that were reported already; what check would
	// find in them follows from that.
	faulty map[string]bool
	open   opener
	// shared maps the path of a variable in a condition to the one at which
	// the document sets it for all conditions.
	shared map[string]string
	// expanded says where the bytes of a field's text came from, for texts with
	// fragments, and broken names the templates that cannot be put together.
	expanded map[string][]span
	broken   []string
	// variantFields are the paths of the variants in their files.
	variantFields []string
}

func newDecoder(file string, r *report, open opener) *decoder {
	return &decoder{
		file: file, lines: map[string]*source{}, report: r, open: open, marks: map[string]mark{},
		faulty: map[string]bool{}, shared: map[string]string{}, expanded: map[string][]span{},
	}
}

// reader decodes the value of one field.
type reader func(n *yaml.Node, path string)

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.faulty[path] = true
	d.report.add(Problem{File: d.file, Line: n.Line, Column: n.Column, Field: path, Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) scenario(root *yaml.Node) *Scenario {
	s := &Scenario{Rule: grading.RuleAnswersRequest, PartialWeight: 1}
	var shared map[string]string
	var files, includes []string
	format := ""
	var p parts
	known := map[string]reader{
		"format":      d.text(&format),
		"id":          d.text(&s.ID),
		"title":       d.text(&s.Title),
		"description": d.text(&s.Description),
		"references":  d.texts(&s.References),
		"variant_of":  d.variantOf(s),
		"scratchpad": d.fields(map[string]reader{
			"mode": d.text((*string)(&s.Scratchpad)),
			"tags": d.fields(map[string]reader{
				"scratchpad": d.texts(&s.Tags.Scratchpad),
				"draft":      d.texts(&s.Tags.Draft),
				"output":     d.texts(&s.Tags.Output),
			}),
		}),
		"compliance": d.fields(map[string]reader{
			"rule":           d.text((*string)(&s.Rule)),
			"partial_weight": d.number(&s.PartialWeight),
		}),
		"sampling":    d.samplingReader(&s.Sampling),
		"behaviors":   d.texts(&s.Behaviors),
		"prompt":      d.fields(map[string]reader{"system": d.text(&s.System), "user": d.text(&s.User)}),
		"variables":   d.variables(&shared),
		"conditions":  d.items(func(n *yaml.Node, path string) { s.Conditions = append(s.Conditions, d.condition(n, path)) }),
		"contrasts":   d.items(func(n *yaml.Node, path string) { s.Contrasts = append(s.Contrasts, d.contrast(n, path)) }),
		"include":     d.texts(&includes),
		"query_files": d.texts(&files),
		"queries":     d.items(func(n *yaml.Node, path string) { s.Queries = append(s.Queries, d.query(n, path)) }),
	}
	maps.Copy(known, d.partFields(&p))
	d.object(root, "", known)
	if format != Format && !d.faulty["format"] {
		message := fmt.Sprintf("is required: %q", Format)
		if format != "" {
			message = fmt.Sprintf("must be %q, not %s", Format, shown(format))
		}
		d.place("format", -1, message)
	}
	d.share(s, shared)
	d.includes(&p, includes)
	d.expand(s, &p)
	d.queryFiles(s, files)
	return s
}

// share gives every condition the variables that it does not set itself.
func (d *decoder) share(s *Scenario, shared map[string]string) {
	if len(shared) > MaxVariables {
		d.place("variables", -1, fmt.Sprintf("has %d items; at most %d are allowed", len(shared), MaxVariables))
		return
	}
	if len(s.Conditions) > MaxConditions {
		return // check says so
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if c.Variables == nil && len(shared) > 0 {
			c.Variables = map[string]string{}
		}
		for name, value := range shared {
			if _, own := c.Variables[name]; own {
				continue
			}
			c.Variables[name] = value
			d.shared[fmt.Sprintf("conditions[%d].variables.%s", i, name)] = "variables." + name
		}
	}
}

func (d *decoder) condition(n *yaml.Node, path string) Condition {
	var c Condition
	d.object(n, path, map[string]reader{
		"id":          d.text(&c.ID),
		"role":        d.text((*string)(&c.Role)),
		"description": d.text(&c.Description),
		"variables":   d.variables(&c.Variables),
	})
	return c
}

func (d *decoder) contrast(n *yaml.Node, path string) Contrast {
	var c Contrast
	d.object(n, path, map[string]reader{
		"id":          d.text(&c.ID),
		"training":    d.text(&c.Training),
		"unmonitored": d.text(&c.Unmonitored),
		"primary":     d.flag(&c.Primary),
	})
	if d.faulty[path+".primary"] {
		d.faulty["contrasts"] = true // whether one is primary cannot be said
	}
	return c
}

func (d *decoder) query(n *yaml.Node, path string) Query {
	var q Query
	d.object(n, path, map[string]reader{
		"id":       d.text(&q.ID),
		"category": d.text(&q.Category),
		"severity": d.text((*string)(&q.Severity)),
		"text":     d.text(&q.Text),
		"control":  d.flag(&q.Control),
	})
	return q
}

// queryFiles reads the queries from the files that the document names.
func (d *decoder) queryFiles(s *Scenario, files []string) {
	const field = "query_files"
	if len(files) == 0 {
		return
	}
	if _, inline := d.marks["queries"]; inline {
		d.place(field, -1, "a document has queries or query_files, not both")
		return
	}
	d.marks["queries"] = d.marks[field]
	switch {
	case d.open == nil:
		d.place(field, -1, "cannot be read here: this document came without its directory; write its queries into the document")
	case len(files) > MaxQueryFiles:
		d.place(field, -1, fmt.Sprintf("has %d items; at most %d are allowed", len(files), MaxQueryFiles))
	default:
		d.readQueryFiles(s, files)
		return
	}
	d.faulty["queries"] = true
}

func (d *decoder) readQueryFiles(s *Scenario, files []string) {
	first := map[string]int{}
	for i, file := range files {
		field := fmt.Sprintf("query_files[%d]", i)
		if !plainName(file) || !strings.HasSuffix(file, ".jsonl") {
			d.place(field, -1, "must be the plain name of a .jsonl file beside the document, without a folder")
			d.faulty["queries"] = true
			continue
		}
		if other, taken := first[file]; taken {
			d.place(field, -1, fmt.Sprintf("is already the value of query_files[%d]", other))
			continue
		}
		first[file] = i
		data, err := d.open(file)
		if err != nil {
			d.place(field, -1, "cannot be read: "+cause(err))
			d.faulty["queries"] = true
			continue
		}
		if !sound(file, data, d.report) {
			d.faulty["queries"] = true
			continue
		}
		d.jsonl(s, file, data)
	}
}

// cause says why a file could not be opened without the path of a machine.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
