// Package filter reads the filters of lists: a small part of the language of
// google.aip.dev/160.
//
//	filter    = [ condition { "AND" condition } ]
//	condition = field "=" value
//	value     = word | '"' text '"'
//
// There is no OR, no NOT, no other comparison and no nesting; each of them is
// refused by name, because a filter that is understood in part lists the wrong
// things. In a text a backslash stands before a quote or another backslash.
package filter

import (
	"fmt"
	"strings"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// MaxBytes bounds a filter.
const MaxBytes = 1024

// setter puts a value into the filter, or says what is wrong with it.
type setter func(f *run.TranscriptFilter, value string) (problem string)

// fields are what transcripts can be filtered by, in the order of the error
// message that lists them.
var fields = []struct {
	name string
	set  setter
}{
	{"scenario", setScenario},
	{"condition", text(func(f *run.TranscriptFilter) *string { return &f.Condition })},
	{"query", text(func(f *run.TranscriptFilter) *string { return &f.Query })},
	{"control", boolean(func(f *run.TranscriptFilter) **bool { return &f.Control })},
	{"compliance", enum("COMPLIANCE_", unmaskv1.Compliance_value, func(f *run.TranscriptFilter) *grading.Compliance { return &f.Compliance })},
	{"alignment_faking", enum("ALIGNMENT_FAKING_", unmaskv1.AlignmentFaking_value, func(f *run.TranscriptFilter) *grading.Faking { return &f.AlignmentFaking })},
	{"behavior", setBehavior},
	{"parsed.observation", enum("OBSERVATION_", unmaskv1.Observation_value, func(f *run.TranscriptFilter) *transcript.Observation { return &f.Observation })},
	{"error.class", enum("SAMPLE_ERROR_CLASS_", unmaskv1.SampleErrorClass_value, func(f *run.TranscriptFilter) *model.ErrorClass { return &f.ErrorClass })},
	{"has_error", boolean(func(f *run.TranscriptFilter) **bool { return &f.HasError })},
}

// Transcripts reads the filter of ListTranscripts; the empty one matches all.
// The error is a *run.InvalidError on "filter" that says where reading stopped.
func Transcripts(filter string) (run.TranscriptFilter, error) {
	var f run.TranscriptFilter
	if len(filter) > MaxBytes {
		return f, run.Invalid("filter", "has %d bytes; at most %d are allowed", len(filter), MaxBytes)
	}
	p := &parser{scanner: scanner{text: filter}, seen: map[string]bool{}}
	if err := p.filter(&f); err != nil {
		return run.TranscriptFilter{}, err
	}
	return f, nil
}

type parser struct {
	scanner
	seen map[string]bool
}

func (p *parser) filter(f *run.TranscriptFilter) error {
	next := p.next()
	if next.kind == end {
		return nil
	}
	for {
		if err := p.condition(f, next); err != nil {
			return err
		}
		switch next = p.next(); {
		case next.kind == end:
			return nil
		case next.kind == word && next.text == "AND":
			next = p.next()
		case next.kind == word && next.text == "OR":
			return next.problem("OR is not supported; list twice instead")
		default:
			return next.problem("expected AND or the end, found %s", next)
		}
	}
}

// condition reads a condition whose first token is field.
func (p *parser) condition(f *run.TranscriptFilter, field token) error {
	if field.kind != word {
		return field.problem("expected a field, found %s", field)
	}
	if field.text == "NOT" || strings.HasPrefix(field.text, "-") {
		return field.problem("negation is not supported")
	}
	set := lookup(field.text)
	if set == nil {
		return field.problem("there is no field %s; fields are %s", field, names())
	}
	if p.seen[field.text] {
		return field.problem("%s stands twice; each field may stand once", field)
	}
	p.seen[field.text] = true
	if op := p.next(); op.kind != equals {
		return op.problem("expected = behind %s, found %s", field, op)
	}
	value := p.next()
	if value.kind != word && value.kind != quoted {
		return value.problem("expected a value for %s, found %s", field, value)
	}
	if problem := set(f, value.text); problem != "" {
		return value.problem("%s %s", field, problem)
	}
	return nil
}

func lookup(name string) setter {
	for _, f := range fields {
		if f.name == name {
			return f.set
		}
	}
	return nil
}

func names() string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return strings.Join(all, ", ")
}

// setScenario takes a scenario's name or its id alone.
func setScenario(f *run.TranscriptFilter, value string) string {
	id := strings.TrimPrefix(value, "scenarios/")
	if !resource.ValidID(id) {
		return "must be the name of a scenario, scenarios/{scenario}, without a revision"
	}
	f.Scenario = id
	return ""
}

// setBehavior takes the id of a behaviour, as scenarios declare them.
func setBehavior(f *run.TranscriptFilter, value string) string {
	if !resource.ValidBehavior(value) {
		return "must be a behaviour's id: 1 to 63 lower-case letters, digits and underscores, a letter first"
	}
	f.Behavior = value
	return ""
}

func text(field func(*run.TranscriptFilter) *string) setter {
	return func(f *run.TranscriptFilter, value string) string {
		if !resource.ValidID(value) {
			return "must be an id: 1 to 63 lower-case letters, digits and hyphens"
		}
		*field(f) = value
		return ""
	}
}

func boolean(field func(*run.TranscriptFilter) **bool) setter {
	return func(f *run.TranscriptFilter, value string) string {
		if value != "true" && value != "false" {
			return "must be true or false"
		}
		is := value == "true"
		*field(f) = &is
		return ""
	}
}

// enum takes the name of an enum's value with or without its prefix. The
// domain's values are the names without it.
func enum[D ~string](prefix string, values map[string]int32, field func(*run.TranscriptFilter) *D) setter {
	return func(f *run.TranscriptFilter, value string) string {
		short := strings.TrimPrefix(value, prefix)
		if values[prefix+short] == 0 {
			return fmt.Sprintf("must be one of %s", shortNames(prefix, values))
		}
		*field(f) = D(short)
		return ""
	}
}

func shortNames(prefix string, values map[string]int32) string {
	all := make([]string, len(values)-1)
	for name, number := range values {
		if number > 0 {
			all[number-1] = strings.TrimPrefix(name, prefix)
		}
	}
	return strings.Join(all, ", ")
}
