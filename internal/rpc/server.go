package rpc

import (
	"context"

	"google.golang.org/grpc"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
)

// DefaultProject is the project of callers without an identity.
const DefaultProject = run.DefaultProject

// UseCases are what the services call; *run.Service has them all.
type UseCases interface {
	ScenarioUseCases
	EvaluationUseCases
	SeriesUseCases
	TranscriptUseCases
	GradingUseCases
	GateUseCases
	ModelUseCases
}

// Deps are what the services work with.
type Deps struct {
	// UseCases is required.
	UseCases UseCases
	// Graders are the graders to list, ordered by name.
	Graders []grading.Grader
	// Project returns the project of a call's caller. Nil means DefaultProject
	// for everyone.
	Project func(context.Context) string
}

// Register puts all services on a server. The server's interceptors have to
// validate requests (validate.Request) and turn errors into statuses (Status).
func Register(s grpc.ServiceRegistrar, d Deps) {
	if d.Project == nil {
		d.Project = func(context.Context) string { return DefaultProject }
	}
	s.RegisterService(decoding(unmaskv1.ScenarioService_ServiceDesc), &scenarioService{use: d.UseCases, project: d.Project})
	s.RegisterService(decoding(unmaskv1.EvaluationService_ServiceDesc), &evaluationService{use: d.UseCases, transcripts: d.UseCases, series: d.UseCases, project: d.Project})
	s.RegisterService(decoding(unmaskv1.GradingService_ServiceDesc), &gradingService{use: d.UseCases, graders: d.Graders, project: d.Project})
	s.RegisterService(decoding(unmaskv1.ModelService_ServiceDesc), &modelService{use: d.UseCases, project: d.Project})
	s.RegisterService(decoding(unmaskv1.GateService_ServiceDesc), &gateService{use: d.UseCases, project: d.Project})
}
