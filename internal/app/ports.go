package app

import (
	"errors"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// scenarios is the library as a run.Scenarios.
type scenarios struct{ library *scenario.Library }

// Get implements run.Scenarios.
func (s scenarios) Get(ref string) (*scenario.Scenario, error) {
	sc, err := s.library.Get(ref)
	if errors.Is(err, scenario.ErrNotFound) || errors.Is(err, scenario.ErrBadRef) {
		return nil, &run.NotFoundError{Name: "scenarios/" + ref}
	}
	return sc, err
}

// List implements run.Scenarios.
func (s scenarios) List() []*scenario.Scenario { return s.library.List() }

// graders is a fixed set of graders, ordered by name, as a run.Graders.
type graders []grading.Grader

// Grader implements run.Graders.
func (g graders) Grader(id string) (grading.Grader, error) {
	for _, grader := range g {
		if grader.Name() == id {
			return grader, nil
		}
	}
	return nil, &run.NotFoundError{Name: "graders/" + id}
}
