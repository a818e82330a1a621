package app

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/judge"
	"github.com/unmask-eval/unmask/internal/grading/panel"
	"github.com/unmask-eval/unmask/internal/grading/rubric"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/sim"
)

// newGraders builds the rubric and the configured graders: judges first, for
// panels are made of them. The error names every grader that cannot be built.
func newGraders(list []config.Grader, m *models) (graders, error) {
	rules := rubric.New()
	built := graders{rules}
	var problems config.Error
	problem := func(i int, err error) {
		problems.Problems = append(problems.Problems, config.Problem{Key: fmt.Sprintf("graders[%d]", i), Message: err.Error()})
	}
	for i, c := range list {
		if c.Kind != config.KindJudge {
			continue
		}
		g, err := newJudge(c, m, rules)
		if err != nil {
			problem(i, err)
			continue
		}
		built = append(built, g)
	}
	for i, c := range list {
		if c.Kind != config.KindPanel || len(problems.Problems) > 0 {
			continue
		}
		members := make([]grading.Grader, len(c.Members))
		for k, id := range c.Members {
			g, err := built.Grader(id)
			if err != nil {
				return nil, fmt.Errorf("grader %q: %w", c.ID, err)
			}
			members[k] = g
		}
		g, err := panel.New(panel.Config{
			Name: c.ID, Members: members, Rule: panel.Rule(c.Rule), Quorum: c.Quorum, GreyLow: c.GreyLow, GreyHigh: c.GreyHigh,
		})
		if err != nil {
			problem(i, err)
			continue
		}
		built = append(built, g)
	}
	if len(problems.Problems) > 0 {
		return nil, &problems
	}
	slices.SortFunc(built, func(a, b grading.Grader) int { return cmp.Compare(a.Name(), b.Name()) })
	return built, nil
}

func newJudge(c config.Grader, m *models, d grading.Detector) (*judge.Grader, error) {
	asked, err := m.Model(c.Model)
	if err != nil {
		return nil, err
	}
	if err := check(asked, model.Request{
		Sampling: model.Sampling{Temperature: c.Temperature, MaxTokens: c.MaxTokens}, ResponseSchema: &model.Schema{},
	}); err != nil {
		return nil, fmt.Errorf("the model %s cannot be its judge: %w", c.Model, err)
	}
	cfg := judge.Config{
		Name: c.ID, Model: asked, ModelName: c.Model, ModelIdentity: m.identity(c.Model),
		Votes: c.Votes, Quorum: c.Quorum, Attempts: c.Attempts, Threshold: c.Threshold, Temperature: c.Temperature,
		MaxTokens: c.MaxTokens, MaxTextBytes: c.MaxTextBytes, Partial: c.Partial, AllVotes: c.AllVotes, Concurrency: c.Concurrency, Detector: d,
	}
	if c.CacheEntries != 0 {
		cfg.Cache = judge.NewLRU(c.CacheEntries)
	}
	return judge.New(cfg)
}

// Graders are graders without a service around them, for commands that keep
// nothing. Close them when they are no longer needed.
type Graders struct {
	graders
	models *models
}

// NewGraders builds the rubric and the graders of the settings.
func NewGraders(cfg config.Config) (*Graders, error) {
	m, err := newModels(cfg.Models, sim.Options{})
	if err != nil {
		return nil, err
	}
	g, err := newGraders(cfg.Graders, m)
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	return &Graders{g, m}, nil
}

// Names lists the graders' names, separated by commas.
func (g *Graders) Names() string {
	names := make([]string, len(g.graders))
	for i, one := range g.graders {
		names[i] = one.Name()
	}
	return strings.Join(names, ", ")
}

// Close closes what the graders' models hold open.
func (g *Graders) Close() { _ = g.models.close() }
