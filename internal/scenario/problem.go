package scenario

import (
	"fmt"
	"sort"
	"strings"
)

// Problem is one thing that is wrong with a scenario.
type Problem struct {
	// File is the name that was given to Load, or the name of a query file or of
	// an included file; "" for a scenario that did not come from a document.
	File string `json:"file,omitempty"`
	// Line and Column count from 1, columns in characters; 0 where unknown.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Field is the path of the field at fault, such as
	// "conditions[1].variables.tier"; "" for the document as a whole.
	Field string `json:"field,omitempty"`
	// Message says what was found and what was expected. It may name ids,
	// variables and short keywords, never the text of a prompt or a query.
	Message string `json:"message"`
}

// String formats a problem as "file:line:column: field: message" and leaves
// out what is not known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Error lists everything that is wrong with a scenario, in the order of its
// files and lines. Load, LoadFS, New and Validate return it; match it with
// errors.As.
type Error struct {
	// Problems holds at least one and at most MaxProblems entries.
	Problems []Problem
	// Omitted counts further problems that were found and left out.
	Omitted int
}

// Error returns one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more problems", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// report collects problems and forgets what a reader would not read.
type report struct {
	problems []Problem
	omitted  int
	seen     map[Problem]bool
}

// full reports, and counts, that one more problem would be left out. Callers
// ask it first where a problem is costly to describe.
func (r *report) full() bool {
	if len(r.problems) < MaxProblems {
		return false
	}
	r.omitted++
	return true
}

func (r *report) add(p Problem) {
	p.Field = documentField(p.Field)
	if r.seen[p] || r.full() {
		return
	}
	if r.seen == nil {
		r.seen = map[Problem]bool{}
	}
	r.seen[p] = true
	r.problems = append(r.problems, p)
}

// err returns the problems as an *Error, or nil if there are none.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &Error{Problems: r.sorted(), Omitted: r.omitted}
}

// sorted returns the problems by file and place. Files keep the order in which
// their first problem was found.
func (r *report) sorted() []Problem {
	rank := map[string]int{}
	for _, p := range r.problems {
		if _, ok := rank[p.File]; !ok {
			rank[p.File] = len(rank)
		}
	}
	sort.SliceStable(r.problems, func(i, j int) bool {
		a, b := r.problems[i], r.problems[j]
		if a.File != b.File {
			return rank[a.File] < rank[b.File]
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	return r.problems
}
