package gate

import (
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a policy.
type Problem struct {
	// Line and Column count from 1; 0 when the policy did not come from a file.
	Line, Column int
	// Field is the path of the field, such as "rules[1].max"; empty when the
	// problem is one of the whole file.
	Field string
	// Message is a clause that can follow the field.
	Message string
}

// String returns the problem without its place: "rules[1].max: must lie in ...".
func (p Problem) String() string {
	if p.Field == "" {
		return p.Message
	}
	return p.Field + ": " + p.Message
}

// PolicyError holds every problem that was found in a policy, in the order of
// its fields. Match it with errors.As.
type PolicyError struct {
	// File is the name that LoadPolicy was given; empty for Policy.Validate.
	File     string
	Problems []Problem
}

// Error returns a line for each problem, "file:line: field: message", with no
// file and line where they are not known.
func (e *PolicyError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		place := ""
		if e.File != "" {
			place = oneLine(e.File) + ":"
			if p.Line > 0 {
				place += strconv.Itoa(p.Line) + ":"
			}
			place += " "
		}
		lines[i] = place + p.String()
	}
	return strings.Join(lines, "\n")
}
