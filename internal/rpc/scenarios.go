package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// ScenarioUseCases keep and read the library.
type ScenarioUseCases interface {
	// CreateScenario and UpdateScenario name what is wrong with a document as
	// violations of the field "document".
	CreateScenario(ctx context.Context, project string, in run.NewScenario) (run.Scenario, error)
	UpdateScenario(ctx context.Context, project, id, document string) (run.Scenario, error)
	DeleteScenario(ctx context.Context, project, id string) error
	// GetScenario takes an id or id@revision. What there is not is a
	// *run.NotFoundError.
	GetScenario(ctx context.Context, project, ref string) (run.Scenario, error)
	// ListScenarios is in the order of the ids.
	ListScenarios(ctx context.Context, project string, p run.Page) (items []run.Scenario, next string, err error)
	ListScenarioRevisions(ctx context.Context, project, id string, p run.Page) (items []run.ScenarioRevision, next string, err error)
}

type scenarioService struct {
	unmaskv1.UnimplementedScenarioServiceServer
	use     ScenarioUseCases
	project func(context.Context) string
}

// CreateScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) CreateScenario(ctx context.Context, req *unmaskv1.CreateScenarioRequest) (*unmaskv1.Scenario, error) {
	kept, err := s.use.CreateScenario(ctx, s.project(ctx), run.NewScenario{Document: req.GetScenario().GetDocument(), RequestID: req.GetRequestId()})
	if err != nil {
		return nil, under("scenario", err)
	}
	return toKeptScenario(kept, false), nil
}

// UpdateScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) UpdateScenario(ctx context.Context, req *unmaskv1.UpdateScenarioRequest) (*unmaskv1.Scenario, error) {
	id, _ := resource.ScenarioID(req.GetScenario().GetName())
	kept, err := s.use.UpdateScenario(ctx, s.project(ctx), id, req.GetScenario().GetDocument())
	if err != nil {
		return nil, under("scenario", err)
	}
	return toKeptScenario(kept, false), nil
}

// DeleteScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) DeleteScenario(ctx context.Context, req *unmaskv1.DeleteScenarioRequest) (*emptypb.Empty, error) {
	id, _ := resource.ScenarioID(req.GetName())
	if err := s.use.DeleteScenario(ctx, s.project(ctx), id); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// GetScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) GetScenario(ctx context.Context, req *unmaskv1.GetScenarioRequest) (*unmaskv1.Scenario, error) {
	ref, _ := resource.Scenario(req.GetName())
	sc, err := s.use.GetScenario(ctx, s.project(ctx), ref)
	if err != nil {
		return nil, err
	}
	view := req.GetView()
	out := toKeptScenario(sc, view == unmaskv1.ScenarioView_SCENARIO_VIEW_UNSPECIFIED || view == unmaskv1.ScenarioView_SCENARIO_VIEW_FULL)
	if view == unmaskv1.ScenarioView_SCENARIO_VIEW_DOCUMENT {
		document, err := sc.YAML()
		if err != nil {
			return nil, err
		}
		out.Document = string(document)
	}
	return out, nil
}

// ListScenarios implements unmaskv1.ScenarioServiceServer. As in listFull, a
// page ends early when it is large, and scenarios are read a few at a time.
func (s *scenarioService) ListScenarios(ctx context.Context, req *unmaskv1.ListScenariosRequest) (*unmaskv1.ListScenariosResponse, error) {
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	full := req.GetView() == unmaskv1.ScenarioView_SCENARIO_VIEW_FULL
	out := &unmaskv1.ListScenariosResponse{}
	for bytes := 0; ; {
		items, next, err := s.use.ListScenarios(ctx, s.project(ctx), run.Page{Size: min(p.Size-len(out.GetScenarios()), pageStep), After: p.After})
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			sc := toKeptScenario(item, full)
			bytes += proto.Size(sc)
			out.Scenarios = append(out.Scenarios, sc)
		}
		if next == "" || len(out.GetScenarios()) >= p.Size || bytes >= pageBytes {
			out.NextPageToken = page.Token(s.project(ctx), req, next)
			return out, nil
		}
		p.After = next
	}
}

// ListScenarioRevisions implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) ListScenarioRevisions(ctx context.Context, req *unmaskv1.ListScenarioRevisionsRequest) (*unmaskv1.ListScenarioRevisionsResponse, error) {
	id, _ := resource.ScenarioID(req.GetName())
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.use.ListScenarioRevisions(ctx, s.project(ctx), id, p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListScenarioRevisionsResponse{Revisions: each(items, toRevision), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}

// RenderScenario implements unmaskv1.ScenarioServiceServer.
func (s *scenarioService) RenderScenario(ctx context.Context, req *unmaskv1.RenderScenarioRequest) (*unmaskv1.RenderScenarioResponse, error) {
	ref, _ := resource.Scenario(req.GetName())
	sc, err := s.use.GetScenario(ctx, s.project(ctx), ref)
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
