package documents

import (
	"fmt"
	"slices"
	"strings"
)

// FileProblem is one thing that is wrong with a facts file.
type FileProblem struct {
	// Line counts from 1; 0 where it is not known.
	Line int
	// Field is the path of the field, such as "facts[2].claims[0].about".
	Field string
	// Message is a clause that can follow the field.
	Message string
}

// LoadError holds what is wrong with a facts file, in the order of its lines.
// Match it with errors.As.
type LoadError struct {
	// File is the name that Load was given.
	File     string
	Problems []FileProblem
	// Omitted counts further problems.
	Omitted int
}

// Error returns a line "file:line: field: message" for each problem.
func (e *LoadError) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		var b strings.Builder
		b.WriteString(e.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
		if p.Field != "" {
			b.WriteString(p.Field + ": ")
		}
		lines = append(lines, b.String()+p.Message)
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more problems", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// err sorts and bounds problems; it is nil for none.
func newLoadError(file string, problems []FileProblem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b FileProblem) int { return a.Line - b.Line })
	e := &LoadError{File: file, Problems: problems}
	if n := len(problems); n > MaxProblems {
		e.Problems, e.Omitted = problems[:MaxProblems], n-MaxProblems
	}
	return e
}
