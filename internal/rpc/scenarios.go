package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// ScenarioUseCases read the library.
type ScenarioUseCases interface {
	// GetScenario takes an id or id@revision. What there is not is a
	// *run.NotFoundError.
	GetScenario(ctx context.Context, ref string) (*scenario.Scenario, error)
	// ListScenarios returns all scenarios in the order of their ids.
	ListScenarios(ctx context.Context) []*scenario.Scenario
}

type scenarioService struct {
	unmaskv1.UnimplementedScenarioServiceServer
	use     ScenarioUseCases
	project func(context.Context) string
}

// GetScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) GetScenario(ctx context.Context, req *unmaskv1.GetScenarioRequest) (*unmaskv1.Scenario, error) {
	ref, _ := resource.Scenario(req.GetName())
	sc, err := s.use.GetScenario(ctx, ref)
	if err != nil {
		return nil, err
	}
	return toScenario(sc, req.GetView() != unmaskv1.ScenarioView_SCENARIO_VIEW_BASIC), nil
}

// ListScenarios implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) ListScenarios(ctx context.Context, req *unmaskv1.ListScenariosRequest) (*unmaskv1.ListScenariosResponse, error) {
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	part, next := page.Slice(s.use.ListScenarios(ctx), p, func(sc *scenario.Scenario) string { return sc.ID })
	out := &unmaskv1.ListScenariosResponse{NextPageToken: page.Token(s.project(ctx), req, next)}
	for _, sc := range part {
		out.Scenarios = append(out.Scenarios, toScenario(sc, req.GetView() == unmaskv1.ScenarioView_SCENARIO_VIEW_FULL))
	}
	return out, nil
}

// RenderScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) RenderScenario(ctx context.Context, req *unmaskv1.RenderScenarioRequest) (*unmaskv1.RenderScenarioResponse, error) {
	ref, _ := resource.Scenario(req.GetName())
	sc, err := s.use.GetScenario(ctx, ref)
	if err != nil {
		return nil, err
	}
	query := req.GetQuery()
	if query == "" && len(sc.Queries) > 0 {
		query = sc.Queries[0].ID
	}
	conditions := req.GetConditions()
	if len(conditions) == 0 {
		for _, c := range sc.Conditions {
			conditions = append(conditions, c.ID)
		}
	}
	out := &unmaskv1.RenderScenarioResponse{Scenario: resource.ScenarioName(sc.ID, sc.Revision), Query: query}
	for i, id := range conditions {
		messages, err := sc.Render(id, query)
		switch {
		case errors.Is(err, scenario.ErrUnknownQuery):
			return nil, run.Invalid("query", "the scenario has no query %q", query)
		case errors.Is(err, scenario.ErrUnknownCondition):
			return nil, run.Invalid(fmt.Sprintf("conditions[%d]", i), "the scenario has no condition %q", id)
		case err != nil:
			return nil, err
		}
		condition, _ := sc.Condition(id)
		rendered := &unmaskv1.RenderedCondition{Condition: id, Role: conditionRoles.proto(condition.Role)}
		for _, m := range messages {
			rendered.Messages = append(rendered.Messages, toMessage(m.Role, m.Content))
		}
		out.Conditions = append(out.Conditions, rendered)
	}
	return out, nil
}

// ValidateScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) ValidateScenario(_ context.Context, req *unmaskv1.ValidateScenarioRequest) (*unmaskv1.ValidateScenarioResponse, error) {
	options := scenario.WarningOptions{LeastQueries: gate.DefaultPolicy().LeastQueries()}
	examined, err := scenario.Examine("", []byte(req.GetDocument()), options)
	var broken *scenario.Error
	switch {
	case errors.As(err, &broken):
		return &unmaskv1.ValidateScenarioResponse{Problems: toProblems(broken.Problems), OmittedProblems: count(broken.Omitted)}, nil
	case err != nil:
		return nil, err
	}
	return &unmaskv1.ValidateScenarioResponse{
		Scenario: toScenario(examined.Scenario, true), Warnings: toProblems(examined.Warnings), OmittedWarnings: count(examined.Omitted),
	}, nil
}

// blank reports whether a text holds nothing but white space.
func blank(s string) bool { return strings.TrimSpace(s) == "" }
