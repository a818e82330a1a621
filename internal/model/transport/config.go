package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/limit"
)

// The defaults of Config.
const (
	DefaultConcurrency      = 64
	DefaultConnectTimeout   = 10 * time.Second
	DefaultFirstByteTimeout = 5 * time.Minute
	DefaultCallTimeout      = 10 * time.Minute
	DefaultMaxAttempts      = 5
	DefaultBackoffBase      = 500 * time.Millisecond
	DefaultBackoffCap       = 30 * time.Second
	DefaultRetryAfterCap    = time.Minute
	DefaultMaxReplyBytes    = 32 << 20
)

// maxAttemptsBound keeps a typing error in the configuration from turning one
// dead endpoint into days of retries.
const maxAttemptsBound = 100

// Config describes how an endpoint is called. Zero values stand for the
// defaults; negative ones are errors.
type Config struct {
	// Concurrency is the number of calls that the caller keeps in flight. So
	// many idle connections are kept per host; it is not a limit. Default 64.
	Concurrency int
	// ConnectTimeout bounds dialling and, on its own, the TLS handshake. Default 10 s.
	ConnectTimeout time.Duration
	// FirstByteTimeout bounds the wait for the reply's header and, of a reply
	// that is streamed, for the first byte of its body. A server that does not
	// stream answers only when the whole reply is generated, so this is close to
	// the time of a generation. Default 5 min.
	FirstByteTimeout time.Duration
	// CallTimeout bounds one attempt from dialling to the last byte. Default 10 min.
	CallTimeout time.Duration
	// MaxAttempts bounds the attempts of one call, at most 100. Default 5.
	MaxAttempts int
	// BackoffBase is the upper bound of the first wait; each further bound
	// doubles. Default 500 ms.
	BackoffBase time.Duration
	// BackoffCap bounds the doubling. Default 30 s.
	BackoffCap time.Duration
	// RetryAfterCap bounds how long a provider's Retry-After is obeyed. Default 1 min.
	RetryAfterCap time.Duration
	// MaxReplyBytes bounds a reply's body after decompression. Default 32 MiB.
	MaxReplyBytes int64
	// Limiter decides when calls begin; it is shared by all clients of the
	// endpoint. Nil lets every call begin at once.
	Limiter *limit.Limiter
	// Clock tells the time and waits between attempts. Default: the system's.
	Clock Clock
	// Jitter returns a random duration in [0, bound]; bound is never negative.
	// It must be safe for concurrent use. Default: uniform.
	Jitter func(bound time.Duration) time.Duration
	// Observe, if set, is told of every attempt as it ends. It must be safe
	// for concurrent use and must not block.
	Observe func(Attempt)
}

// Clock tells the time and waits. It is safe for concurrent use.
type Clock interface {
	Now() time.Time
	// Wait returns nil after d, or ctx.Err() as soon as ctx ends.
	Wait(ctx context.Context, d time.Duration) error
}

// Attempt is what Observe learns of one attempt. It holds no text of a
// request or a reply.
type Attempt struct {
	// Number counts from 1.
	Number int
	// Status is the HTTP status, or 0 when none was received; 200 stands for
	// every 2xx.
	Status int
	// Class is the failure's class, or "" for a success and for a call that
	// its caller ended.
	Class model.ErrorClass
	// Latency is the time of the attempt, and Wait the time that will pass
	// before the next one; 0 after the last. What the limiter adds is in neither.
	Latency, Wait time.Duration
}

// normalize fills in the defaults and reports all problems at once.
func (c Config) normalize() (Config, error) {
	var problems []error
	num := func(name string, value, def int64) int64 {
		if value < 0 {
			problems = append(problems, fmt.Errorf("%s is negative", name))
		}
		if value == 0 {
			return def
		}
		return value
	}
	dur := func(name string, p *time.Duration, def time.Duration) {
		*p = time.Duration(num(name, int64(*p), int64(def)))
	}
	dur("connect_timeout", &c.ConnectTimeout, DefaultConnectTimeout)
	dur("first_byte_timeout", &c.FirstByteTimeout, DefaultFirstByteTimeout)
	dur("call_timeout", &c.CallTimeout, DefaultCallTimeout)
	dur("backoff_base", &c.BackoffBase, DefaultBackoffBase)
	dur("backoff_cap", &c.BackoffCap, DefaultBackoffCap)
	dur("retry_after_cap", &c.RetryAfterCap, DefaultRetryAfterCap)
	c.Concurrency = int(num("concurrency", int64(c.Concurrency), DefaultConcurrency))
	c.MaxAttempts = int(num("max_attempts", int64(c.MaxAttempts), DefaultMaxAttempts))
	c.MaxReplyBytes = num("max_reply_bytes", c.MaxReplyBytes, DefaultMaxReplyBytes)
	if c.MaxAttempts > maxAttemptsBound {
		problems = append(problems, fmt.Errorf("max_attempts is above %d", maxAttemptsBound))
	}
	if len(problems) > 0 {
		return Config{}, fmt.Errorf("transport: %w", errors.Join(problems...))
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	if c.Jitter == nil {
		c.Jitter = uniform
	}
	return c, nil
}

// uniform draws from [0, bound].
func uniform(bound time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(bound) + 1)) //nolint:gosec // jitter is no secret
}

// systemClock is the real clock.
type systemClock struct{}

// Now implements Clock.
func (systemClock) Now() time.Time { return time.Now() }

// Wait implements Clock.
func (systemClock) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
