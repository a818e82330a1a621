package judge

import (
	"context"

	"github.com/unmask-eval/unmask/internal/model"
)

// Model is what a judge asks.
//
// Generate is safe for concurrent use and bounds its own time and retries. It
// returns a *model.Error, possibly wrapped, when no reply could be had, and the
// context's error when the context ended first. A request's ResponseSchema is a
// help and not a promise: whatever comes back is read strictly.
type Model interface {
	Generate(ctx context.Context, req model.Request) (model.Reply, error)
}
