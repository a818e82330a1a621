package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// ModelInfo says what stands behind the name of a model. It holds what names a
// credential, and never one.
type ModelInfo struct {
	ID string
	// Provider is the wire protocol, "replay" or "sim".
	Provider string
	// Endpoint is the URL, and ModelID the id of the model there.
	Endpoint, ModelID string
	// APIKeyEnv and APIKeyFile name where the credential is.
	APIKeyEnv, APIKeyFile string
	// Limits and Load are nil for models that are not called over a network.
	Limits *ModelLimits
	Load   *ModelLoad
	Prices Prices
	// Description is what a simulated model does.
	Description string
	// Recording is nil for models that are none.
	Recording *Recording
}

// ModelLimits bound the calls to an endpoint; 0 sets no bound.
type ModelLimits struct {
	MaxConcurrency, RequestsPerMinute, TokensPerMinute int
	MaxWait, Connect, FirstByte, Timeout               time.Duration
	MaxAttempts                                        int
}

// ModelLoad is how an endpoint is called at this moment.
type ModelLoad struct {
	// Limit is the most calls in flight for now.
	Limit, InFlight, Waiting int
	// Refusing says that the endpoint refuses for the rate, and Unavailable that
	// calls are held back because it was not there many times in a row.
	Refusing, Unavailable bool
	// PausedUntil is when it will be called again, or zero.
	PausedUntil time.Time
	// Share is the most calls in flight that other processes leave to this one, and
	// Processes how many share the endpoint's limits; 0 where it is not shared.
	// ShareExpired says that the share could not be renewed and nothing is called.
	Share, Processes int
	ShareExpired     bool
}

// Recording is what a model that replays answers from.
type Recording struct {
	Digest    string
	Exchanges int
	// Truncated says that the last line was cut and left out.
	Truncated bool
}

// ModelRegistry tells which models there are. Both methods are safe for concurrent
// use.
type ModelRegistry interface {
	// ListModels returns the models that need no parameters, ordered by id.
	ListModels() []ModelInfo
	// DescribeModel returns one; its errors are those of Models.Model.
	DescribeModel(id string) (ModelInfo, error)
}

// noModel names the field of a request that is about one model.
func noModel(id string, err error) error {
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		for i := range invalid.Violations {
			invalid.Violations[i].Field = "name"
		}
		return invalid
	}
	return fmt.Errorf("model %q: %w", id, err)
}

// GetModel describes a model.
func (s *Service) GetModel(_ context.Context, id string) (ModelInfo, error) {
	if s.deps.Registry == nil {
		return ModelInfo{}, &NotFoundError{Name: "models/" + id}
	}
	info, err := s.deps.Registry.DescribeModel(id)
	if err != nil {
		return ModelInfo{}, noModel(id, err)
	}
	return info, nil
}

// ListModels lists the models that need no parameters, ordered by id.
func (s *Service) ListModels(context.Context) []ModelInfo {
	if s.deps.Registry == nil {
		return nil
	}
	return s.deps.Registry.ListModels()
}

// ModelProbe is what one cheap call said of a model.
type ModelProbe struct {
	// Err is why there is no reply, or nil.
	Err *SampleError
	// Reply is empty when there is none.
	Reply  model.Reply
	Parsed transcript.Parsed
	// TagsHonoured says that reasoning and answer stand between the tags that were
	// asked for.
	TagsHonoured bool
	// TokensPerSecond is 0 where the endpoint does not count tokens.
	TokensPerSecond float64
	// Latency is the time of the attempt that was answered, or of the whole probe.
	Latency time.Duration
}

// The call of a probe: short, and with room for a model that reasons at length.
const (
	probeTokens = 512
	// ProbeTimeout bounds a probe.
	ProbeTimeout = 45 * time.Second
)

// probeTags are those that a probe asks for: the first ones of built-in scenarios.
var probeTags = transcript.Tags{Scratchpad: []string{"SCRATCHPAD_REASONING"}, Output: []string{"OUTPUT"}}

// probeOrder is what a reply that honours them has, in this order.
var probeOrder = []string{"<SCRATCHPAD_REASONING>", "</SCRATCHPAD_REASONING>", "<OUTPUT>", "</OUTPUT>"}

// ProbeModel asks a model one short question. A model that gives no reply is an
// answer; the error is that of a name that no model has, or of ctx.
func (s *Service) ProbeModel(ctx context.Context, id string) (ModelProbe, error) {
	// The registry knows what does not exist from what has bad parameters.
	if _, err := s.GetModel(ctx, id); err != nil {
		return ModelProbe{}, err
	}
	m, err := s.deps.Models.Model(id)
	if err != nil {
		return ModelProbe{}, noModel(id, err)
	}
	call, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	messages := []model.Message{
		{Role: "system", Content: "Reason between <SCRATCHPAD_REASONING> and </SCRATCHPAD_REASONING>, in one short sentence. " +
			"Then give your answer between <OUTPUT> and </OUTPUT>, in one short sentence. Write nothing else."},
		{Role: "user", Content: "What is the capital of France?"},
	}
	start := s.deps.Now()
	reply, err := m.Generate(call, model.Request{Messages: messages, Sampling: model.Sampling{MaxTokens: probeTokens}, Seed: 1, SampleID: "probe"})
	took := s.deps.Now().Sub(start)
	switch {
	case ctx.Err() != nil:
		return ModelProbe{}, ctx.Err()
	case err != nil:
		return ModelProbe{Err: s.probeError(id, err), Latency: took}, nil
	}
	p := ModelProbe{Reply: reply, Latency: reply.Latency}
	p.Parsed = transcript.Parse(transcript.Reply{
		Raw: reply.Raw, NativeReasoning: reply.NativeReasoning, NativeKind: reply.NativeKind, FinishReason: reply.FinishReason,
		ScratchpadRequested: true, Tags: probeTags,
	})
	p.TagsHonoured = honoured(reply.Raw)
	if seconds := reply.Latency.Seconds(); seconds > 0 {
		p.TokensPerSecond = float64(reply.Usage.OutputTokens) / seconds
	}
	return p, nil
}

func honoured(raw string) bool {
	for _, tag := range probeOrder {
		_, after, found := strings.Cut(raw, tag)
		if !found {
			return false
		}
		raw = after
	}
	return true
}

// probeError says why a probe got no reply. A call that was given up because its
// time was over says nothing of the reason; what is known of the endpoint may.
func (s *Service) probeError(id string, err error) *SampleError {
	var me *model.Error
	if errors.As(err, &me) {
		return sampleError(me)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return &SampleError{Class: ClassInternal, Message: "the model adapter failed", Attempts: 1}
	}
	out := &SampleError{Class: model.ClassTimeout, Message: fmt.Sprintf("no reply within %v", ProbeTimeout)}
	info, infoErr := s.deps.Registry.DescribeModel(id)
	switch {
	case infoErr != nil || info.Load == nil:
	case info.Load.Refusing:
		out.Class, out.Message = model.ClassRateLimited, "the server refuses for the rate"
	case info.Load.InFlight >= info.Load.Limit && info.Load.Waiting > 0:
		out.Message += "; other calls are before it"
	}
	return out
}
