// Package transport is the one way in which Unmask calls a model over HTTP.
//
// A Client posts JSON and hands a whole, bounded reply to the caller's
// decoder. It keeps connections open, bounds connecting, the first byte and
// the whole call in time, and retries what may pass (see classify.go) a
// bounded number of times:
//
//	wait(n) = uniform in [0, min(cap, base * 2^(n-1))]      "full jitter"
//
// or, when the provider names a time in Retry-After, that time (up to a cap)
// plus a jitter of at most base, so that the callers which were refused
// together do not come back together.
//
// Failures are *model.Error. Their text is made of words of this package, the
// HTTP status, the media type and the provider's short machine code; it never
// holds a credential, a URL, or text of a request or a reply, because any of
// those may be echoed by a server and end in a log. What the server sent is kept
// apart from it (failurebody.go), without credentials, in a form that no log shows.
//
// The retry loop is written here although failsafe-go is at hand: its policy
// waits on time.NewTimer and draws its own jitter, so neither can be given by
// a test, and it has one bound for all failures where a bad reply deserves
// one retry and a 429 several. Its breaker is used by package limit, which decides
// when an endpoint is called.
package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/limit"
)

// maxErrorBytes bounds what is read of an error's body to find its code.
const maxErrorBytes = 64 << 10

// maxHeaderBytes bounds the header of a reply.
const maxHeaderBytes = 256 << 10

// pingAfter is how long an HTTP/2 connection may be silent before it is asked
// whether it is alive.
const pingAfter = 30 * time.Second

// maxPooledBytes is the largest buffer kept for the next reply.
const maxPooledBytes = 1 << 20

// Client posts JSON to model servers. It is safe for concurrent use. Close it
// when it is no longer needed.
type Client struct {
	cfg     Config
	http    *http.Client
	pool    *http.Transport
	buffers sync.Pool
	// failureWait is the constant, but for tests.
	failureWait time.Duration
}

// New returns a client. The error names every field of cfg that is wrong.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.normalize()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 30 * time.Second}
	pool := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           0,
		MaxIdleConnsPerHost:    cfg.Concurrency,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    cfg.ConnectTimeout,
		ResponseHeaderTimeout:  cfg.FirstByteTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// A connection that died without a word would otherwise be found out by
		// the first-byte timeouts of all calls on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: cfg.ConnectTimeout},
	}
	return &Client{
		cfg:  cfg,
		pool: pool,
		http: &http.Client{
			Transport: pool,
			// A redirected POST would lose its body or carry the
			// credential elsewhere; the operator fixes the URL instead.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		buffers:     sync.Pool{New: func() any { return new(bytes.Buffer) }},
		failureWait: failureWait,
	}, nil
}

// Close closes idle connections. Calls in flight are not affected.
func (c *Client) Close() { c.pool.CloseIdleConnections() }

// Call is one request.
type Call struct {
	// URL is where to post to.
	URL string
	// Header is sent with every attempt; the client adds the content type.
	Header http.Header
	// Body is the JSON to send.
	Body []byte
	// Usage, if set, is where Decode leaves what the call took, in tokens. The
	// limiter measures the endpoint by it, and keeps bounds on tokens.
	Usage *model.Usage
	// Decode reads the whole body of a 2xx reply. The slice is only valid
	// during the call. Its error is a *model.Error (see BadReply); any other
	// error is reported as a bad reply without its text.
	Decode func(body []byte) error
	// DecodeStream, if set, says that server-sent events were asked for, and
	// reads the whole body of a reply that consists of them, under the same
	// terms. Servers that answer JSON all the same are left to Decode.
	DecodeStream func(body []byte) error
	// Explain, if set, reads the body of a reply outside of 2xx for what the
	// status does not tell. The slice is only valid during the call.
	Explain func(status int, body []byte) Explanation
}

// Explanation is what a provider's own form of an error adds to its status;
// zero fields add nothing.
type Explanation struct {
	// Class replaces the class of the status.
	Class model.ErrorClass
	// Code is a short word for machines. It is shown if IsMachineCode holds and
	// it repeats nothing that was sent.
	Code string
	// RetryAfter is the wait that the body asks for, where the header names none.
	RetryAfter time.Duration
}

// Result is what is known of a call that succeeded.
type Result struct {
	// Latency is the time of the attempt that succeeded.
	Latency time.Duration
	// Attempts counts all attempts, at least 1.
	Attempts int
}

// Post sends the call until it succeeds, fails for good, or the attempts are
// used up. It returns a *model.Error, or ctx's error, wrapped, as soon as the
// context ends. With a limiter, being refused for the rate uses up none of the
// attempts, and the call waits its turn until the limiter's patience ends.
func (c *Client) Post(ctx context.Context, call Call) (Result, error) {
	var (
		used, badReplies int // attempts that count, and those of them with a bad reply
		refusedSince     time.Time
		failed           history
	)
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return Result{}, ended(err)
		}
		permit, err := c.acquire(ctx, call, refusedSince)
		switch {
		case err != nil && ctx.Err() != nil:
			return Result{}, ended(ctx.Err())
		case errors.Is(err, limit.ErrThrottled):
			return Result{}, failed.end(outOfPatience(attempt - 1))
		}
		var latency time.Duration
		failure := failed.end(notAvailable())
		if err == nil {
			start := c.cfg.Clock.Now()
			attemptCtx, release := permit.Context(ctx)
			failure = c.try(attemptCtx, call)
			latency = c.cfg.Clock.Now().Sub(start)
			lost := failure != nil && ctx.Err() == nil && context.Cause(attemptCtx) == limit.ErrShareLost //nolint:errorlint // a cause is never wrapped
			release()
			tell(attemptCtx, permit, call, failure)
			if lost {
				// Nobody's fault and no attempt: it waits until calls may be made again.
				c.observe(Attempt{Number: attempt, Latency: latency})
				continue
			}
		}
		if failure == nil {
			c.observe(Attempt{Number: attempt, Status: http.StatusOK, Latency: latency})
			return Result{Latency: latency, Attempts: attempt}, nil
		}
		if err := ctx.Err(); err != nil {
			c.observe(Attempt{Number: attempt, Latency: latency})
			return Result{}, ended(err)
		}
		failure.Attempts = attempt
		failed.add(failure)
		seen := Attempt{Number: attempt, Status: failure.Status, Class: failure.Class, Latency: latency}
		if c.cfg.Limiter != nil && refused(failure) {
			// The limiter knows how long to wait, for this call and all others.
			if refusedSince.IsZero() {
				refusedSince = time.Now()
			}
			c.observe(seen)
			continue
		}
		used++
		if failure.Class == model.ClassBadReply {
			badReplies++
		}
		if !c.again(failure, used, badReplies) {
			c.observe(seen)
			return Result{}, failure
		}
		seen.Wait = c.wait(used, failure.RetryAfter)
		c.observe(seen)
		if err := c.cfg.Clock.Wait(ctx, seen.Wait); err != nil {
			return Result{}, ended(err)
		}
	}
}

// ended reports that the caller's context ended.
func ended(err error) error { return fmt.Errorf("model call: %w", err) }

func (c *Client) observe(a Attempt) {
	if c.cfg.Observe != nil {
		c.cfg.Observe(a)
	}
}

// try makes one attempt and returns nil when the reply was decoded.
func (c *Client) try(parent context.Context, call Call) *model.Error {
	ctx, cancel := context.WithTimeout(parent, c.cfg.CallTimeout)
	defer cancel()
	heard := func() {}
	if call.DecodeStream != nil {
		ctx, heard = c.expectFirstByte(ctx)
		defer heard()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return &model.Error{Class: model.ClassBadRequest, Message: "the URL cannot be called"}
	}
	for name, values := range call.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if call.DecodeStream != nil {
		req.Header.Set("Accept", "text/event-stream, application/json;q=0.9")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.networkFailure(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.statusFailure(call, resp, cancel)
	}
	resp.Body = &listener{ReadCloser: resp.Body, heard: heard}
	return c.decode(ctx, cancel, call, resp)
}

// errNoFirstByte is the cause that ends an attempt whose stream does not begin.
var errNoFirstByte = errors.New("no first byte")

// expectFirstByte returns a context that ends when FirstByteTimeout passes
// before heard is called. A server that streams sends its header at once, so
// the header says nothing of when the model begins to speak.
func (c *Client) expectFirstByte(ctx context.Context) (bounded context.Context, heard func()) {
	bounded, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.cfg.FirstByteTimeout, func() { cancel(errNoFirstByte) })
	return bounded, func() { timer.Stop() }
}

// listener tells of the first byte of a body.
type listener struct {
	io.ReadCloser
	heard func()
}

// Read implements io.Reader.
func (l *listener) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if n > 0 {
		l.heard()
	}
	return n, err
}

// decode reads the whole body and hands it to the call's decoder.
func (c *Client) decode(ctx context.Context, cancel context.CancelFunc, call Call, resp *http.Response) *model.Error {
	decode := call.Decode
	mediaType, ok := jsonMediaType(resp.Header)
	if call.DecodeStream != nil && mediaType == eventStream {
		decode, ok = call.DecodeStream, true
	}
	if !ok {
		body, whole := c.readFailure(resp, cancel, scrubbed)
		return &model.Error{
			Class: model.ClassBadReply, Status: resp.StatusCode,
			Message: "the reply is not JSON but " + mediaType, Body: failureBody(call, body, whole),
		}
	}
	buf, _ := c.buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxPooledBytes {
			c.buffers.Put(buf)
		}
	}()
	_, err := buf.ReadFrom(io.LimitReader(resp.Body, c.cfg.MaxReplyBytes+1))
	if err != nil {
		failure := c.bodyFailure(ctx, resp.StatusCode, err)
		failure.Body = failureBody(call, buf.Bytes(), false)
		return failure
	}
	if int64(buf.Len()) > c.cfg.MaxReplyBytes {
		return &model.Error{
			Class: model.ClassBadReply, Status: resp.StatusCode, Err: ErrTooLarge,
			Message: fmt.Sprintf("the reply is larger than %d bytes", c.cfg.MaxReplyBytes),
			Body:    failureBody(call, buf.Bytes(), false),
		}
	}
	err = decode(redact(call.Header, buf.Bytes()))
	if err == nil {
		return nil
	}
	failure := &model.Error{Class: model.ClassBadReply, Message: "the reply could not be decoded"}
	var typed *model.Error
	if errors.As(err, &typed) {
		copied := *typed // the decoder may return one value for all calls
		failure = &copied
	}
	if failure.Status == 0 {
		failure.Status = resp.StatusCode
	}
	failure.Body = failureBody(call, buf.Bytes(), true)
	return failure
}
