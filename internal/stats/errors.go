package stats

import (
	"fmt"
	"math"
)

// InputError says which argument of an estimator cannot be used and why. It is
// the only error type of this package; match it with errors.As.
type InputError struct {
	// Field names the argument, with an index or an ID where there are several.
	Field string
	// Problem says what is wrong with it, in words that can follow the field.
	Problem string
}

// Error returns the field and the problem.
func (e *InputError) Error() string { return e.Field + ": " + e.Problem }

func badInput(field, format string, args ...any) error {
	return &InputError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// minAlpha keeps quantiles inside the range where the beta and t solvers are
// accurate; no decision is taken at smaller errors.
const minAlpha = 1e-12

func checkAlpha(field string, alpha float64) error {
	if math.IsNaN(alpha) || alpha < minAlpha || alpha > 0.5 {
		return badInput(field, "must lie in (0, 0.5], got %v", alpha)
	}
	return nil
}

func checkProbability(field string, p float64) error {
	if math.IsNaN(p) || p < 0 || p > 1 {
		return badInput(field, "must lie in [0, 1], got %v", p)
	}
	return nil
}
