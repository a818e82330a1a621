package transport

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
)

// again says whether a failed call is tried once more. A bad reply is retried
// once: a proxy may have cut it, but a server that speaks another protocol
// will go on doing so.
func (c *Client) again(failure *model.Error, attempt, badReplies int) bool {
	if attempt >= c.cfg.MaxAttempts || errors.Is(failure.Err, errFinal) {
		return false
	}
	switch failure.Class {
	case model.ClassTimeout, model.ClassRateLimited, model.ClassUnavailable:
		return true
	case model.ClassBadReply:
		return badReplies <= 1
	case model.ClassBadRequest, model.ClassAuth, model.ClassNotFound:
		return false
	default:
		return false
	}
}

// wait returns how long to wait after the attempt with the given number,
// counted from 1.
func (c *Client) wait(attempt int, retryAfter time.Duration) time.Duration {
	if retryAfter > 0 {
		return min(retryAfter, c.cfg.RetryAfterCap) + c.cfg.Jitter(c.cfg.BackoffBase)
	}
	bound := c.cfg.BackoffBase
	for n := 1; n < attempt && bound < c.cfg.BackoffCap; n++ {
		bound *= 2
	}
	return c.cfg.Jitter(min(bound, c.cfg.BackoffCap))
}

// maxRetryAfter is the longest Retry-After that is reported; more would
// overflow a duration or is nonsense.
const maxRetryAfter = 365 * 24 * time.Hour

// retryAfter reads the Retry-After header, seconds or an HTTP date, or the
// finer Retry-After-Ms that some providers send beside it. It returns 0 when
// there is neither, or one that is unreadable or in the past.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil {
		return bounded(ms / 1000)
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return bounded(seconds)
	}
	when, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(when.Sub(now), 0), maxRetryAfter)
}

// bounded turns seconds into a duration in [0, maxRetryAfter].
func bounded(seconds float64) time.Duration {
	switch {
	case !(seconds > 0): // also NaN
		return 0
	case seconds > maxRetryAfter.Seconds():
		return maxRetryAfter
	}
	return time.Duration(seconds * float64(time.Second))
}
