package rpc

import (
	"context"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// ModelUseCases tell which models there are, and whether they work.
type ModelUseCases interface {
	GetModel(ctx context.Context, id string) (run.ModelInfo, error)
	ListModels(ctx context.Context) []run.ModelInfo
	ProbeModel(ctx context.Context, id string) (run.ModelProbe, error)
}

type modelService struct {
	unmaskv1.UnimplementedModelServiceServer
	use     ModelUseCases
	project func(context.Context) string
}

// GetModel implements unmaskv1.ModelServiceServer.
func (s *modelService) GetModel(ctx context.Context, req *unmaskv1.GetModelRequest) (*unmaskv1.Model, error) {
	id, _ := resource.Model(req.GetName())
	m, err := s.use.GetModel(ctx, id)
	if err != nil {
		return nil, err
	}
	return toModel(m), nil
}

// ListModels implements unmaskv1.ModelServiceServer.
func (s *modelService) ListModels(ctx context.Context, req *unmaskv1.ListModelsRequest) (*unmaskv1.ListModelsResponse, error) {
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	part, next := page.Slice(s.use.ListModels(ctx), p, func(m run.ModelInfo) string { return m.ID })
	return &unmaskv1.ListModelsResponse{Models: each(part, toModel), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}

// ProbeModel implements unmaskv1.ModelServiceServer.
func (s *modelService) ProbeModel(ctx context.Context, req *unmaskv1.ProbeModelRequest) (*unmaskv1.ModelProbe, error) {
	id, _ := resource.Model(req.GetName())
	p, err := s.use.ProbeModel(ctx, id)
	if err != nil {
		return nil, err
	}
	return toModelProbe(id, p), nil
}

func toModel(m run.ModelInfo) *unmaskv1.Model {
	out := &unmaskv1.Model{
		Name: resource.ModelName(m.ID), Provider: m.Provider, Endpoint: m.Endpoint, ModelId: m.ModelID,
		ApiKeyEnv: m.APIKeyEnv, ApiKeyFile: m.APIKeyFile, InputPrice: m.Prices.Input, OutputPrice: m.Prices.Output, Description: m.Description,
	}
	if l := m.Limits; l != nil {
		out.Limits = &unmaskv1.ModelLimits{
			MaxConcurrency: count(l.MaxConcurrency), RequestsPerMinute: count(l.RequestsPerMinute), TokensPerMinute: count(l.TokensPerMinute),
			MaxWait: durationpb.New(l.MaxWait), ConnectTimeout: durationpb.New(l.Connect), FirstByteTimeout: durationpb.New(l.FirstByte),
			Timeout: durationpb.New(l.Timeout), MaxAttempts: count(l.MaxAttempts),
		}
	}
	if l := m.Load; l != nil {
		out.Load = &unmaskv1.ModelLoad{
			ConcurrencyLimit: count(l.Limit), InFlight: count(l.InFlight), Waiting: count(l.Waiting),
			Refusing: l.Refusing, Unavailable: l.Unavailable,
			Share: count(l.Share), Processes: count(l.Processes), ShareExpired: l.ShareExpired,
		}
		if !l.PausedUntil.IsZero() {
			out.Load.PausedUntil = timestamppb.New(l.PausedUntil)
		}
	}
	if r := m.Recording; r != nil {
		out.RecordingDigest, out.RecordedExchanges, out.RecordingTruncated = r.Digest, int64(r.Exchanges), r.Truncated
	}
	return out
}

func toModelProbe(id string, p run.ModelProbe) *unmaskv1.ModelProbe {
	out := &unmaskv1.ModelProbe{Model: resource.ModelName(id), Reachable: p.Err == nil, Latency: durationpb.New(p.Latency)}
	if p.Err != nil {
		out.Error, out.Attempts = toSampleError(*p.Err, true), count(p.Err.Attempts)
		return out
	}
	out.ServedModel = clean(p.Reply.ModelID)
	out.NativeKind, out.FinishReason = nativeKinds.proto(p.Reply.NativeKind), finishReasons.proto(p.Reply.FinishReason)
	out.Observation, out.TagsHonoured = observations.proto(p.Parsed.Observation), p.TagsHonoured
	out.InputTokens, out.OutputTokens, out.Attempts = p.Reply.Usage.InputTokens, p.Reply.Usage.OutputTokens, count(p.Reply.Attempts)
	if p.TokensPerSecond > 0 {
		out.TokensPerSecond = &p.TokensPerSecond
	}
	return out
}
