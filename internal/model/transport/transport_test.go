package transport_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// clock stands still and notes how long it was asked to wait.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
	// during, if set, is called in every wait.
	during func()
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	if c.during != nil {
		c.during()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	c.now = c.now.Add(d)
	return ctx.Err()
}

// whole takes the upper bound of every jitter.
func whole(bound time.Duration) time.Duration { return bound }

// fixture is a server that answers from a list, and a client for it.
type fixture struct {
	client *transport.Client
	clock  *clock
	url    string
	calls  int
	mu     sync.Mutex
	seen   []transport.Attempt
}

// serve answers the n-th call by the n-th handler, and further ones by the last.
func serve(t *testing.T, cfg transport.Config, handlers ...http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{clock: newClock()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		f.mu.Lock()
		n := min(f.calls, len(handlers)-1)
		f.calls++
		f.mu.Unlock()
		handlers[n](w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	cfg.Clock, cfg.Jitter = f.clock, whole
	cfg.Observe = func(a transport.Attempt) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen = append(f.seen, a)
	}
	f.client = newClient(t, cfg)
	return f
}

func newClient(t *testing.T, cfg transport.Config) *transport.Client {
	t.Helper()
	c, err := transport.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (f *fixture) post(ctx context.Context) (transport.Result, error) {
	return f.client.Post(ctx, transport.Call{URL: f.url, Body: []byte(`{"prompt":"hello"}`), Decode: isJSON})
}

func isJSON(body []byte) error {
	if !json.Valid(body) {
		return transport.BadReply("not JSON")
	}
	return nil
}

func reply(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{}`)
	}
}

func body(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	}
}

// cut promises more than it sends.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"half":`)
}

// drop closes the connection without a word.
func drop(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func failureOf(t *testing.T, err error) *model.Error {
	t.Helper()
	var failure *model.Error
	require.ErrorAs(t, err, &failure)
	return failure
}

func TestFailuresAreClassedAndRetried(t *testing.T) {
	const all = 3
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		class   model.ErrorClass
		calls   int
		message string
	}{
		{"300", reply(300), model.ClassNotFound, 1, "redirects"},
		{"301 is not followed", reply(301, "Location", "/elsewhere"), model.ClassNotFound, 1, "redirects"},
		{"400", reply(400), model.ClassBadRequest, 1, "refuses the request"},
		{"401", reply(401), model.ClassAuth, 1, "credentials"},
		{"402", reply(402), model.ClassAuth, 1, "credentials"},
		{"403", reply(403), model.ClassAuth, 1, "credentials"},
		{"404", reply(404), model.ClassNotFound, 1, "no such model"},
		{"405", reply(405), model.ClassNotFound, 1, "no such model"},
		{"408", reply(408), model.ClassTimeout, all, "gave up waiting"},
		{"409", reply(409), model.ClassUnavailable, all, "cannot answer now"},
		{"413", reply(413), model.ClassBadRequest, 1, "refuses the request"},
		{"418", reply(418), model.ClassBadRequest, 1, "refuses the request"},
		{"422", reply(422), model.ClassBadRequest, 1, "refuses the request"},
		{"425", reply(425), model.ClassUnavailable, all, "cannot answer now"},
		{"429", reply(429), model.ClassRateLimited, all, "rate"},
		{"500", reply(500), model.ClassUnavailable, all, "cannot answer now"},
		{"502", reply(502), model.ClassUnavailable, all, "cannot answer now"},
		{"503", reply(503), model.ClassUnavailable, all, "cannot answer now"},
		{"504", reply(504), model.ClassTimeout, all, "gave up waiting"},
		{"529 overloaded", reply(529), model.ClassUnavailable, all, "cannot answer now"},
		{"700", reply(700), model.ClassBadReply, 2, "means nothing"},
		{"connection closed without a word", drop, model.ClassUnavailable, all, "closed before a reply"},
		{"body cut", cut, model.ClassBadReply, 2, "cut before its end"},
		{"invalid JSON", body("application/json", "{oops"), model.ClassBadReply, 2, "not JSON"},
		{"empty body", body("application/json", ""), model.ClassBadReply, 2, "not JSON"},
		{"page for people", body("text/html; charset=utf-8", "<p>{}"), model.ClassBadReply, 2, "not JSON but text/html"},
		{"stream", body("text/event-stream", "data: {}"), model.ClassBadReply, 2, "text/event-stream"},
		{"hostile content type", body("secret-marker; =", "{}"), model.ClassBadReply, 2, "unreadable media type"},
		{"content type of their own", body("application/secret-marker", "{}"), model.ClassBadReply, 2, "another media type"},
		{"too large", body("application/json", strings.Repeat(" ", 2000)), model.ClassBadReply, 1, "larger than 1000 bytes"},
		{"quota used up", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"error":{"code":"insufficient_quota"}}`)
		}, model.ClassAuth, 1, "[insufficient_quota]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, transport.Config{MaxAttempts: all, MaxReplyBytes: 1000}, tt.handler)
			result, err := f.post(t.Context())
			failure := failureOf(t, err)
			require.Equal(t, tt.class, failure.Class)
			require.Contains(t, failure.Message, tt.message)
			require.NotContains(t, err.Error(), "secret-marker")
			require.Equal(t, tt.calls, failure.Attempts)
			require.Equal(t, tt.calls, f.calls)
			require.Len(t, f.clock.waits, tt.calls-1)
			require.Zero(t, result)
			require.Len(t, f.seen, tt.calls)
		})
	}
}

func TestWhatPassesIsNoFailure(t *testing.T) {
	ok := reply(200)
	for _, tt := range []struct {
		name     string
		handlers []http.HandlerFunc
		attempts int
	}{
		{"at once", []http.HandlerFunc{ok}, 1},
		{"201", []http.HandlerFunc{reply(201)}, 1},
		{"problem+json", []http.HandlerFunc{body("application/problem+json", "{}")}, 1},
		{"after two 500s and a drop", []http.HandlerFunc{reply(500), reply(503), drop, ok}, 4},
		{"after one bad reply", []http.HandlerFunc{cut, ok}, 2},
		{"after a bad reply among others", []http.HandlerFunc{reply(429), cut, reply(500), ok}, 4},
		{"compressed", []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, `{}`)
			_ = z.Close()
		}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, transport.Config{}, tt.handlers...)
			result, err := f.post(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.attempts, result.Attempts)
			require.Equal(t, tt.attempts, f.calls)
		})
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	f := serve(t, transport.Config{MaxReplyBytes: 10_000}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, strings.Repeat(" ", 10_000_000))
		_ = z.Close()
	})
	_, err := f.post(t.Context())
	require.ErrorIs(t, err, transport.ErrTooLarge)
}

func TestWaitsDoubleUpToTheCap(t *testing.T) {
	f := serve(t, transport.Config{MaxAttempts: 7, BackoffBase: time.Second, BackoffCap: 10 * time.Second}, reply(500))
	_, err := f.post(t.Context())
	require.Error(t, err)
	require.Equal(t, []time.Duration{1e9, 2e9, 4e9, 8e9, 10e9, 10e9}, f.clock.waits)
}

func TestRetryAfterIsObeyedUpToTheCap(t *testing.T) {
	inTenSeconds := newClock().now.Add(10 * time.Second).Format(http.TimeFormat)
	for _, tt := range []struct {
		name, header string
		wait, report time.Duration
	}{
		{"seconds", "7", 8 * time.Second, 7 * time.Second},
		{"fraction of a second", "0.5", 1500 * time.Millisecond, 500 * time.Millisecond},
		{"date", inTenSeconds, 11 * time.Second, 10 * time.Second},
		{"above the cap", "3600", 31 * time.Second, time.Hour},
		{"beyond all measure", "1e300", 31 * time.Second, 365 * 24 * time.Hour},
		{"zero", "0", time.Second, 0},
		{"negative", "-5", time.Second, 0},
		{"NaN", "NaN", time.Second, 0},
		{"date in the past", "Mon, 02 Jan 2006 15:04:05 GMT", time.Second, 0},
		{"words", "soon", time.Second, 0},
		{"absent", "", time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := transport.Config{MaxAttempts: 2, BackoffBase: time.Second, RetryAfterCap: 30 * time.Second}
			f := serve(t, cfg, reply(429, "Retry-After", tt.header))
			_, err := f.post(t.Context())
			require.Equal(t, []time.Duration{tt.wait}, f.clock.waits)
			failure := failureOf(t, err)
			if tt.name != "date" { // the last reply came later than the first
				require.Equal(t, tt.report, failure.RetryAfter)
			}
		})
	}
}

func TestRetryAfterMsIsFiner(t *testing.T) {
	f := serve(t, transport.Config{MaxAttempts: 2, BackoffBase: time.Second}, reply(429, "Retry-After", "3", "Retry-After-Ms", "2500"))
	_, err := f.post(t.Context())
	require.Equal(t, 2500*time.Millisecond, failureOf(t, err).RetryAfter)
	require.Equal(t, []time.Duration{3500 * time.Millisecond}, f.clock.waits)
}

func TestJitterStaysWithinItsBound(t *testing.T) {
	server := httptest.NewServer(reply(500))
	t.Cleanup(server.Close)
	c := newClock()
	client := newClient(t, transport.Config{MaxAttempts: 100, BackoffBase: time.Second, BackoffCap: time.Second, Clock: c})
	_, err := client.Post(t.Context(), transport.Call{URL: server.URL, Decode: isJSON})
	require.Equal(t, 100, failureOf(t, err).Attempts)
	distinct := map[time.Duration]bool{}
	for _, w := range c.waits {
		require.GreaterOrEqual(t, w, time.Duration(0))
		require.LessOrEqual(t, w, time.Second)
		distinct[w] = true
	}
	require.Greater(t, len(distinct), 90)
}

func TestObserveSeesEveryAttempt(t *testing.T) {
	f := serve(t, transport.Config{BackoffBase: time.Second}, reply(429), reply(200))
	_, err := f.post(t.Context())
	require.NoError(t, err)
	require.Equal(t, []transport.Attempt{
		{Number: 1, Status: 429, Class: model.ClassRateLimited, Wait: time.Second},
		{Number: 2, Status: 200},
	}, f.seen)
}

func TestContextEndsTheCallAtOnce(t *testing.T) {
	t.Run("before it", func(t *testing.T) {
		f := serve(t, transport.Config{}, reply(200))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := f.post(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, f.calls)
	})
	t.Run("within an attempt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := serve(t, transport.Config{}, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		_, err := f.post(ctx)
		require.ErrorIs(t, err, context.Canceled)
		var failure *model.Error
		require.False(t, errors.As(err, &failure), "the caller's own doing is no failure of the model")
		require.Equal(t, 1, f.calls)
	})
	t.Run("within a wait", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := serve(t, transport.Config{}, reply(500))
		f.clock.during = cancel
		_, err := f.post(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, f.calls)
	})
	t.Run("within a wait of the real clock", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := httptest.NewServer(reply(500, "Retry-After", "3600"))
		t.Cleanup(server.Close)
		client := newClient(t, transport.Config{Observe: func(transport.Attempt) { cancel() }})
		_, err := client.Post(ctx, transport.Call{URL: server.URL, Decode: isJSON})
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
		defer cancel()
		f := serve(t, transport.Config{}, reply(200))
		_, err := f.post(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestMachineCodesAreShownAndTextIsNot(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"code", `{"error":{"message":"secret-marker","code":"context_length_exceeded","type":"x"}}`, "[context_length_exceeded]"},
		{"type where the code is null", `{"error":{"code":null,"type":"invalid_request_error"}}`, "[invalid_request_error]"},
		{"error is a word", `{"error":"model_busy"}`, "[model_busy]"},
		{"no wrapping", `{"object":"error","message":"secret-marker","code":"too_long"}`, "[too_long]"},
		{"number for a code", `{"error":{"code":400}}`, ""},
		{"sentence for a code", `{"error":{"code":"You said secret-marker"}}`, ""},
		{"code too long", `{"error":{"code":"` + strings.Repeat("a", 65) + `"}}`, ""},
		{"code echoes the key", `{"error":{"code":"sk-planted"}}`, ""},
		{"code echoes the prompt", `{"error":{"code":"hello"}}`, ""},
		{"no JSON", "secret-marker", ""},
		{"list", `["secret-marker"]`, ""},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := f.client.Post(t.Context(), transport.Call{
				URL: f.url, Body: []byte(`{"prompt":"hello"}`), Decode: isJSON,
				Header: http.Header{"Authorization": {"Bearer SK-planted-key"}},
			})
			require.NotContains(t, err.Error(), "secret-marker")
			require.Equal(t, tt.want != "", strings.Contains(err.Error(), "["))
			require.Contains(t, err.Error(), tt.want)
		})
	}
}

func TestRedirectsDoNotCarryTheCredentialAway(t *testing.T) {
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(elsewhere.Close)
	f := serve(t, transport.Config{}, reply(307, "Location", elsewhere.URL))
	_, err := f.post(t.Context())
	require.Equal(t, model.ClassNotFound, failureOf(t, err).Class)
	require.False(t, reached)
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	_, err := transport.New(transport.Config{Concurrency: -1, CallTimeout: -1, MaxAttempts: 101, MaxReplyBytes: -1})
	for _, want := range []string{"concurrency is negative", "call_timeout is negative", "max_attempts is above 100", "max_reply_bytes is negative"} {
		require.ErrorContains(t, err, want)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var mu sync.Mutex
	opened := 0
	server := httptest.NewUnstartedServer(reply(200))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			opened++
			mu.Unlock()
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := newClient(t, transport.Config{Concurrency: 8})
	for range 3 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					if _, err := client.Post(context.Background(), transport.Call{URL: server.URL, Decode: isJSON}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	mu.Lock()
	defer mu.Unlock()
	require.LessOrEqual(t, opened, 8*3, "480 calls reuse their connections")
}
