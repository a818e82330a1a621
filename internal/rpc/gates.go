package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// GateUseCases keep policies and decide runs by them.
type GateUseCases interface {
	CreateGate(ctx context.Context, project string, in run.NewGate) (run.Gate, error)
	GetGate(ctx context.Context, project, id string) (run.Gate, error)
	ListGates(ctx context.Context, project string, p run.Page) (items []run.Gate, next string, err error)
	DeleteGate(ctx context.Context, project, id string) error
	CheckGate(ctx context.Context, project string, in run.GateCheck) (run.Decision, error)
	// WatchDecision calls fn with the run as it is and after changes, at most once
	// in an interval, and returns nil after the call that has the decision.
	WatchDecision(ctx context.Context, project string, in run.GateCheck, interval time.Duration, fn func(run.DecisionUpdate) error) error
	// GetDecision takes "-" for a policy that had no name.
	GetDecision(ctx context.Context, project, gateID, id string) (run.Decision, error)
	// ListDecisions takes "*" for all gates and nil for all runs.
	ListDecisions(ctx context.Context, project, gateID string, key *run.RunKey, p run.Page) (items []run.Decision, next string, err error)
}

// allGates is how the use-case is asked for the decisions of all gates.
const allGates = "*"

type gateService struct {
	unmaskv1.UnimplementedGateServiceServer
	use     GateUseCases
	project func(context.Context) string
}

// CreateGate implements unmaskv1.GateServiceServer.
func (s *gateService) CreateGate(ctx context.Context, req *unmaskv1.CreateGateRequest) (*unmaskv1.Gate, error) {
	g, err := s.use.CreateGate(ctx, s.project(ctx), run.NewGate{
		ID: req.GetGateId(), DisplayName: req.GetGate().GetDisplayName(),
		Policy: fromPolicy(req.GetGate().GetPolicy()), RequestID: req.GetRequestId(),
	})
	if err != nil {
		return nil, under("gate", err)
	}
	return toGate(g), nil
}

// GetGate implements unmaskv1.GateServiceServer.
func (s *gateService) GetGate(ctx context.Context, req *unmaskv1.GetGateRequest) (*unmaskv1.Gate, error) {
	id, _ := resource.Gate(req.GetName())
	g, err := s.use.GetGate(ctx, s.project(ctx), id)
	if err != nil {
		return nil, err
	}
	return toGate(g), nil
}

// ListGates implements unmaskv1.GateServiceServer.
func (s *gateService) ListGates(ctx context.Context, req *unmaskv1.ListGatesRequest) (*unmaskv1.ListGatesResponse, error) {
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.use.ListGates(ctx, s.project(ctx), p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListGatesResponse{Gates: each(items, toGate), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}

// DeleteGate implements unmaskv1.GateServiceServer.
func (s *gateService) DeleteGate(ctx context.Context, req *unmaskv1.DeleteGateRequest) (*emptypb.Empty, error) {
	id, _ := resource.Gate(req.GetName())
	if err := s.use.DeleteGate(ctx, s.project(ctx), id); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// checkRequest is what the requests for a decision have in common.
type checkRequest interface {
	GetName() string
	GetPolicy() *unmaskv1.Policy
	GetRun() string
	GetBaseline() string
	GetRequestId() string
}

func (s *gateService) check(ctx context.Context, req checkRequest) run.GateCheck {
	name, _ := resource.Run(req.GetRun())
	check := run.GateCheck{Run: name.In(s.project(ctx)), RequestID: req.GetRequestId()}
	if req.GetPolicy() != nil {
		policy := fromPolicy(req.GetPolicy())
		check.Policy = &policy
	} else {
		check.Gate, _ = resource.Gate(req.GetName())
	}
	if base, ok := resource.Run(req.GetBaseline()); ok {
		key := base.In(s.project(ctx))
		check.Baseline = &key
	}
	return check
}

// CheckGate implements unmaskv1.GateServiceServer.
func (s *gateService) CheckGate(ctx context.Context, req *unmaskv1.CheckGateRequest) (*unmaskv1.Decision, error) {
	d, err := s.use.CheckGate(ctx, s.project(ctx), s.check(ctx, req))
	if err != nil {
		return nil, err
	}
	return toDecision(d), nil
}

// WatchDecision implements unmaskv1.GateServiceServer.
func (s *gateService) WatchDecision(req *unmaskv1.WatchDecisionRequest, stream grpc.ServerStreamingServer[unmaskv1.WatchDecisionResponse]) error {
	ctx := stream.Context()
	interval := defaultWatchInterval
	if req.GetInterval() != nil {
		interval = req.GetInterval().AsDuration()
	}
	return s.use.WatchDecision(ctx, s.project(ctx), s.check(ctx, req), interval, func(u run.DecisionUpdate) error {
		return stream.Send(toDecisionUpdate(u))
	})
}

// GetDecision implements unmaskv1.GateServiceServer.
func (s *gateService) GetDecision(ctx context.Context, req *unmaskv1.GetDecisionRequest) (*unmaskv1.Decision, error) {
	gateID, id, _ := resource.Decision(req.GetName())
	d, err := s.use.GetDecision(ctx, s.project(ctx), gateID, id)
	if err != nil {
		return nil, err
	}
	return toDecision(d), nil
}

// ListDecisions implements unmaskv1.GateServiceServer.
func (s *gateService) ListDecisions(ctx context.Context, req *unmaskv1.ListDecisionsRequest) (*unmaskv1.ListDecisionsResponse, error) {
	gateID, _ := resource.Gates(req.GetParent())
	if gateID == resource.Wildcard {
		gateID = allGates
	}
	var only *run.RunKey
	if name, ok := resource.Run(req.GetRun()); ok {
		key := name.In(s.project(ctx))
		only = &key
	}
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.use.ListDecisions(ctx, s.project(ctx), gateID, only, p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListDecisionsResponse{Decisions: each(items, toDecision), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}
