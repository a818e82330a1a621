package run

import (
	"fmt"
	"strings"
)

// NotFoundError says that a resource does not exist.
type NotFoundError struct {
	// Name is the resource's name, such as "evaluations/e1/runs/r1".
	Name string
}

// Error implements error.
func (e *NotFoundError) Error() string { return e.Name + " does not exist" }

// ExistsError says that a resource with this name exists already.
type ExistsError struct{ Name string }

// Error implements error.
func (e *ExistsError) Error() string { return e.Name + " exists already" }

// RequestReuseError says that a request id was used before for something else.
type RequestReuseError struct{ RequestID string }

// Error implements error.
func (e *RequestReuseError) Error() string {
	return fmt.Sprintf("request_id %q was used before with other contents", e.RequestID)
}

// StateError says that a resource is in the wrong state for what was asked.
type StateError struct {
	Name string
	// State is what it is in, and Want what the request needs.
	State, Want string
}

// Error implements error.
func (e *StateError) Error() string {
	return fmt.Sprintf("%s is %s; this needs %s", e.Name, e.State, e.Want)
}

// TriesError says that a checkpoint has other decisions than were counted.
type TriesError struct {
	Checkpoint string
	// Seen were counted, and Have are there.
	Seen, Have int
}

// Error implements error.
func (e *TriesError) Error() string {
	return fmt.Sprintf("checkpoint %s has %d decisions and not %d", e.Checkpoint, e.Have, e.Seen)
}

// Violation is one wrong field.
type Violation struct {
	// Field is the field's path in the request, in proto names, such as "plan.samples_per_query".
	Field string
	// Description says what was expected.
	Description string
}

// InvalidError names every field of a request that is wrong.
type InvalidError struct{ Violations []Violation }

// Error implements error.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Field + ": " + v.Description
	}
	return "invalid request: " + strings.Join(parts, "; ")
}

// Invalid returns an InvalidError with one violation.
func Invalid(field, format string, args ...any) *InvalidError {
	return &InvalidError{Violations: []Violation{{Field: field, Description: fmt.Sprintf(format, args...)}}}
}

// LimitError says that a limit is reached; the request may succeed later.
type LimitError struct {
	// What is the limit's name, such as "runs in progress".
	What  string
	Limit int
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("the limit of %d %s is reached", e.Limit, e.What)
}

// DrainingError says that the process is stopping and takes no new work; the
// request may succeed elsewhere or later.
type DrainingError struct{}

// Error implements error.
func (e *DrainingError) Error() string { return "the server is shutting down" }

// UnavailableError says that the store could not be reached: its database is away,
// starting or stopping. The same call may succeed later; what was to be written is
// not known to be kept, and writing it again keeps nothing twice.
type UnavailableError struct{ Err error }

// Error implements error.
func (e *UnavailableError) Error() string { return "the database cannot be reached: " + e.Err.Error() }

// Unwrap returns what the database's driver said.
func (e *UnavailableError) Unwrap() error { return e.Err }
