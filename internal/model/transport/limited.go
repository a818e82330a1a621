package transport

import (
	"context"
	"net/http"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/limit"
)

// bytesPerToken is about what a token of a prompt takes, JSON included.
const bytesPerToken = 4

// acquire waits for the right to make one attempt. Without a limiter there is
// nothing to wait for, and the permit is nil.
func (c *Client) acquire(ctx context.Context, call Call, refusedSince time.Time) (*limit.Permit, error) {
	if c.cfg.Limiter == nil {
		return nil, nil
	}
	return c.cfg.Limiter.Acquire(ctx, limit.Ask{InputTokens: len(call.Body) / bytesPerToken, RefusedSince: refusedSince})
}

// tell ends a permit with what the attempt says of the endpoint.
func tell(ctx context.Context, permit *limit.Permit, call Call, failure *model.Error) {
	switch {
	case permit == nil:
	case failure == nil:
		var u limit.Usage
		if call.Usage != nil {
			u = limit.Usage{Input: call.Usage.InputTokens, Output: call.Usage.OutputTokens}
		}
		permit.Done(u)
	case ctx.Err() != nil:
		permit.Drop()
	case refused(failure):
		permit.Throttled(failure.RetryAfter)
	case failure.Class == model.ClassUnavailable:
		permit.Unavailable(failure.Status == http.StatusServiceUnavailable)
	case failure.Class == model.ClassTimeout:
		permit.Slow()
	default:
		permit.Failed()
	}
}

// statusOverloaded is what some providers answer when they have too much to do.
const statusOverloaded = 529

// refused reports whether a failure means no more than "later": the endpoint is
// there and has too much to do. A 503 says so only when it names a time; without
// one it may as well come from a server that is gone.
func refused(f *model.Error) bool {
	return f.Class == model.ClassRateLimited || f.Status == statusOverloaded ||
		f.Status == http.StatusServiceUnavailable && f.RetryAfter > 0
}

func outOfPatience(calls int) *model.Error {
	return &model.Error{
		Class: model.ClassRateLimited, Attempts: calls, Err: limit.ErrThrottled,
		Message: "the server refuses for the rate beyond max_wait",
	}
}

func notAvailable() *model.Error {
	return unavailable("the server was not available many times in a row, and neither to a further try", limit.ErrUnavailable)
}

// secretHeaders are the headers in which credentials are sent.
var secretHeaders = []string{"Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key"}

// shortestSecret keeps what is too short for a credential from being looked for in
// replies.
const shortestSecret = 8
