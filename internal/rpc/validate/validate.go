// Package validate checks every field of every request at the edge, before a
// use-case sees it, and names all that are wrong at once.
//
// The rules stand in tables, one for each message that a request may hold: each
// field has a rule or says why it needs none, and a test walks the messages and
// fails on a field without either. The comments of the protos state the same
// rules for callers. What depends on what is stored, such as whether a scenario
// exists, is checked by the use-cases.
package validate

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/run"
)

// maxViolations bounds what one error lists.
const maxViolations = 100

// Request returns nil, or a *run.InvalidError that names every wrong field of a
// request by its path, such as "evaluation.plan.scenarios[1]".
//
// Messages of other APIs, such as health checks, are not looked at. A message of
// this API that has no rules is an error, and so is not let through. A message of
// GradeTranscripts passes whatever it holds, because one bad transcript must not
// end a stream: the service calls Fields on it and answers with what is wrong.
func Request(m proto.Message) error {
	if _, ok := m.(*unmaskv1.GradeTranscriptsRequest); ok {
		return nil
	}
	violations, err := Fields(m)
	if err != nil {
		return err
	}
	if len(violations) > 0 {
		return &run.InvalidError{Violations: violations}
	}
	return nil
}

// Fields returns what is wrong with the fields of a message, at most 100 things,
// in the order of the message's definition. The error says that the message has
// no rules.
func Fields(m proto.Message) ([]run.Violation, error) {
	c := &checker{tables: tables}
	c.message("", m.ProtoReflect())
	return c.violations, c.err
}

// rule checks one field. It is called whether or not the field is set.
type rule func(c *checker, f field)

// field is a field of a message that is being checked.
type field struct {
	path string
	desc protoreflect.FieldDescriptor
	in   protoreflect.Message
}

// set reports whether the field has a value: for fields without presence, any
// but zero.
func (f field) set() bool { return f.in.Has(f.desc) }

func (f field) value() protoreflect.Value { return f.in.Get(f.desc) }

// checker collects what is wrong. It carries the tables because their rules lead
// back to it.
type checker struct {
	tables     map[protoreflect.FullName]table
	violations []run.Violation
	err        error
}

func (c *checker) fail(path, format string, args ...any) {
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, run.Violation{Field: path, Description: fmt.Sprintf(format, args...)})
	}
}

// message checks all fields of a message, and then what they are together.
func (c *checker) message(path string, m protoreflect.Message) {
	name := m.Descriptor().FullName()
	rules, ok := c.tables[name]
	if !ok {
		if strings.HasPrefix(string(name), "unmask.v1.") {
			c.err = errors.Join(c.err, fmt.Errorf("validate: %s has no rules", name))
		}
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		check, ok := rules[fd.Name()]
		if !ok {
			c.err = errors.Join(c.err, fmt.Errorf("validate: %s has no rule", fd.FullName()))
			continue
		}
		check(c, field{path: join(path, string(fd.Name())), desc: fd, in: m})
	}
	if whole, ok := together[name]; ok {
		whole(m.Interface(), func(name, format string, args ...any) {
			c.fail(join(path, name), format, args...)
		})
	}
}

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}
