package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxPolicyBytes is the greatest size of a policy file.
const MaxPolicyBytes = 64 << 10

// maxProblems bounds the report on a file that is no policy at all.
const maxProblems = 100

// LoadPolicy reads a policy file, a single YAML document with the fields of
// Policy, and returns it with its defaults filled in. The name is used in
// errors only.
//
// It reads strictly: unknown and repeated fields, aliases, anchors, null,
// further documents, numbers in quotes and values out of range are refused. The
// error is a *PolicyError with every problem (the first 100, and how many further
// ones there are), each with its line and field; only
// a text that is no YAML at all yields a single one.
func LoadPolicy(name string, data []byte) (Policy, error) {
	if name == "" {
		name = "policy"
	}
	root, problem := parseDocument(data)
	if problem != nil {
		return Policy{}, &PolicyError{File: name, Problems: []Problem{*problem}}
	}
	r := &reader{at: map[string]*yaml.Node{}, reported: map[string]bool{}}
	p := r.policy(root)
	var semantic *PolicyError
	if errors.As(p.Validate(), &semantic) {
		r.merge(semantic.Problems)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
		if n := len(r.problems) - maxProblems; n > 0 {
			r.problems = append(r.problems[:maxProblems], Problem{Message: fmt.Sprintf("has %d further problems", n)})
		}
		return Policy{}, &PolicyError{File: name, Problems: r.problems}
	}
	return p.WithDefaults(), nil
}

// yamlLine finds the line that the YAML library names in its errors.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// parseDocument returns the root node of the only document in data.
func parseDocument(data []byte) (*yaml.Node, *Problem) {
	if len(data) > MaxPolicyBytes {
		return nil, &Problem{Message: fmt.Sprintf("must not be larger than %d bytes, got %d", MaxPolicyBytes, len(data))}
	}
	if !utf8.Valid(data) {
		return nil, &Problem{Message: "must be UTF-8 text"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, further yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, &Problem{Message: "is empty; a policy has rules"}
	case err != nil:
		return nil, syntaxProblem(err)
	}
	switch err := decoder.Decode(&further); {
	case err == nil:
		return nil, &Problem{Line: further.Line, Column: further.Column, Message: "must hold one document, and a second one begins here"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxProblem(err)
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return nil, &Problem{Message: "is empty; a policy has rules"}
	}
	return document.Content[0], nil
}

func syntaxProblem(err error) *Problem {
	text := err.Error()
	match := yamlLine.FindStringSubmatch(text)
	line, _ := strconv.Atoi(match[1]) // no line is line 0, which means unknown
	return &Problem{Line: line, Message: "is not YAML: " + oneLine(strings.TrimPrefix(text, match[0]))}
}

// reader turns nodes into a policy. It remembers where each field stood, and
// reports at most one problem of each.
type reader struct {
	at       map[string]*yaml.Node
	reported map[string]bool
	problems []Problem
}

func (r *reader) fail(n *yaml.Node, field, format string, args ...any) {
	if r.reported[field] {
		return
	}
	r.reported[field] = true
	r.problems = append(r.problems, Problem{
		Line: n.Line, Column: n.Column, Field: field, Message: fmt.Sprintf(format, args...),
	})
}

// merge adds the problems of Validate, with the place of the field or of the
// nearest field around it. It leaves out fields that could not be read, or that
// lie in something that could not be.
func (r *reader) merge(problems []Problem) {
	for _, p := range problems {
		around := enclosing(p.Field)
		if slices.ContainsFunc(around, func(field string) bool { return r.reported[field] }) {
			continue
		}
		if i := slices.IndexFunc(around, func(field string) bool { return r.at[field] != nil }); i >= 0 {
			n := r.at[around[i]]
			p.Line, p.Column = n.Line, n.Column
		}
		r.problems = append(r.problems, p)
	}
}

// enclosing lists a field's path and every path around it: "rules[1].max",
// "rules[1]", "rules" and the empty one of the document.
func enclosing(field string) []string {
	list := []string{field}
	for field != "" {
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
		list = append(list, field)
	}
	return list
}

func (r *reader) policy(n *yaml.Node) Policy {
	var p Policy
	r.fields(n, "", map[string]func(*yaml.Node, string){
		"rules": func(n *yaml.Node, path string) {
			for i, item := range r.items(n, path) {
				p.Rules = append(p.Rules, r.rule(item, fmt.Sprintf("%s[%d]", path, i)))
			}
		},
		"requirements": func(n *yaml.Node, path string) { p.Requirements = r.requirements(n, path) },
	})
	return p
}

func (r *reader) rule(n *yaml.Node, path string) Rule {
	var rule Rule
	known := r.fields(n, path, map[string]func(*yaml.Node, string){
		"id":       func(n *yaml.Node, path string) { rule.ID = r.text(n, path) },
		"metric":   func(n *yaml.Node, path string) { rule.Metric = Metric(r.text(n, path)) },
		"scenario": func(n *yaml.Node, path string) { rule.Scenario = r.text(n, path) },
		"contrast": func(n *yaml.Node, path string) { rule.Contrast = r.text(n, path) },
		"max":      func(n *yaml.Node, path string) { rule.Max = r.number(n, path) },
		"max_increase": func(n *yaml.Node, path string) {
			v := r.number(n, path)
			rule.MaxIncrease = &v
		},
		"confidence": func(n *yaml.Node, path string) {
			if rule.Confidence = r.number(n, path); rule.Confidence == 0 {
				r.fail(n, path, "must lie in [%v, %v], got %s", minConfidence, maxConfidence, quoted(n.Value))
			}
		},
	})
	limit, increase := r.at[path+".max"], r.at[path+".max_increase"]
	switch {
	case known && limit == nil && increase == nil:
		r.fail(n, path+".max", "is required, or max_increase")
	case limit != nil && increase != nil:
		r.fail(limit, path+".max", "must not stand beside max_increase: a rule bounds the metric or its increase")
	}
	return rule
}

func (r *reader) requirements(n *yaml.Node, path string) Requirements {
	var req Requirements
	r.fields(n, path, map[string]func(*yaml.Node, string){
		"min_queries": func(n *yaml.Node, path string) {
			if req.MinQueries = r.integer(n, path); req.MinQueries == 0 {
				r.fail(n, path, "must lie in [1, %d], got %s", maxMinQueries, quoted(n.Value))
			}
		},
		"max_excluded_share": func(n *yaml.Node, path string) {
			v := r.number(n, path)
			req.MaxExcludedShare = &v
		},
		"max_exclusion_imbalance": func(n *yaml.Node, path string) {
			v := r.number(n, path)
			req.MaxExclusionImbalance = &v
		},
		"controls": func(n *yaml.Node, path string) {
			v := r.boolean(n, path)
			req.Controls = &v
		},
		"calibration": func(n *yaml.Node, path string) { req.Calibration = r.boolean(n, path) },
		"max_age":     func(n *yaml.Node, path string) { req.MaxAge = r.duration(n, path) },
		"plan_digest": func(n *yaml.Node, path string) { req.PlanDigest = r.text(n, path) },
	})
	return req
}

// duration reads a Go duration such as "720h" or "90m".
func (r *reader) duration(n *yaml.Node, path string) time.Duration {
	value, ok := r.scalar(n, path, "a duration such as 720h", "!!str", "!!int")
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		r.fail(n, path, "must be a duration such as 720h, got %s", quoted(value))
	}
	return d
}
