package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// pipes is a network without sockets, so that time can be simulated.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// simulated serves a handler within the bubble of the test, and returns a client of
// it. stop has to be called before the bubble ends.
func simulated(t *testing.T, cfg transport.Config, h http.HandlerFunc) (post func(context.Context) (transport.Result, error), stop func()) {
	t.Helper()
	network := newPipes()
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Hour}
	done := make(chan error, 1)
	go func() { done <- server.Serve(network) }()
	client, err := transport.New(cfg)
	require.NoError(t, err)
	client.Dial(network.dial)
	post = func(ctx context.Context) (transport.Result, error) {
		return client.Post(ctx, transport.Call{URL: "http://model.invalid/", Body: []byte(`{}`), Decode: isJSON})
	}
	return post, func() {
		client.Close()
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	}
}

// knee answers as a server that works on so many requests at once and queues the rest.
func knee(servers int, serve time.Duration) http.HandlerFunc {
	free := make(chan struct{}, servers)
	answer := reply(200)
	return func(w http.ResponseWriter, r *http.Request) {
		free <- struct{}{}
		time.Sleep(serve)
		<-free
		answer(w, r)
	}
}

// A storm of refusals, in simulated time: no sample is lost, the endpoint is asked
// a few times only, and the throughput is back soon after.
func TestAStormCostsNoSample(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		header []string
		asked  int64
	}{
		{"429", 429, nil, 60},
		{"503 with a time", 503, []string{"Retry-After", "1"}, 70},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const (
					servers, serve = 12, 50 * time.Millisecond
					calm, storm    = 30 * time.Second, 20 * time.Second
				)
				begin := time.Now()
				var refused, after atomic.Int64
				answer, refuse := knee(servers, serve), reply(tt.status, tt.header...)
				limiter := limit.New(limit.Config{})
				post, stop := simulated(t, transport.Config{Limiter: limiter, MaxAttempts: 2}, func(w http.ResponseWriter, r *http.Request) {
					if now := time.Since(begin); now >= calm && now < calm+storm {
						refused.Add(1)
						refuse(w, r)
						return
					}
					answer(w, r)
					if now := time.Since(begin); now >= calm+storm+5*time.Second {
						after.Add(1)
					}
				})
				defer stop()
				var wg sync.WaitGroup
				for range 32 {
					wg.Go(func() {
						for time.Since(begin) < calm+storm+10*time.Second {
							if _, err := post(context.Background()); err != nil {
								t.Errorf("a sample was lost: %v", err)
								return
							}
						}
					})
				}
				time.Sleep(calm - 5*time.Second)
				mean := 0.0
				for range 100 {
					mean += float64(limiter.Stats().Limit) / 100
					time.Sleep(5 * time.Second / 101)
				}
				wg.Wait()
				require.InDelta(t, servers, mean, 0.1*servers)
				require.LessOrEqual(t, refused.Load(), tt.asked)
				full := float64(servers) * float64(5*time.Second) / float64(serve)
				require.Greater(t, float64(after.Load()), 0.9*full)
			})
		})
	}
}

func TestPatienceWithRefusalsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var calls atomic.Int64
		post, stop := simulated(t, transport.Config{Limiter: limit.New(limit.Config{MaxWait: time.Minute})}, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			reply(429)(w, r)
		})
		defer stop()
		_, err := post(t.Context())
		failure := failureOf(t, err)
		require.Equal(t, model.ClassRateLimited, failure.Class)
		require.Contains(t, failure.Message, "max_wait")
		require.EqualValues(t, calls.Load(), failure.Attempts)
		require.InDelta(t, time.Minute, time.Since(begin), float64(2*time.Second))
		require.Less(t, calls.Load(), int64(40))
	})
}

func TestRetryAfterHoldsForEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var calls atomic.Int64
		post, stop := simulated(t, transport.Config{Limiter: limit.New(limit.Config{})}, func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) == 1 {
				reply(429, "Retry-After", "90")(w, r)
				return
			}
			if time.Since(begin) < 90*time.Second {
				t.Errorf("called after %v", time.Since(begin))
			}
			reply(200)(w, r)
		})
		defer stop()
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				_, err := post(context.Background())
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestADeadEndpointIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		begin := time.Now()
		post, stop := simulated(t, transport.Config{Limiter: limit.New(limit.Config{}), MaxAttempts: 4}, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			reply(500)(w, r)
		})
		defer stop()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := post(context.Background())
				var failure *model.Error
				if !errors.As(err, &failure) || failure.Class != model.ClassUnavailable || failure.Attempts != 4 {
					t.Errorf("want UNAVAILABLE after 4 attempts, got %v", err)
				}
			})
		}
		wg.Wait()
		require.Less(t, calls.Load(), int64(40), "without a breaker they are 400")
		require.Less(t, time.Since(begin), 30*time.Second, "and nobody waits for long to be told")
	})
}

func TestTheCallersEndLeavesTheLimiterFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := limit.New(limit.Config{MaxConcurrency: 1})
		block := make(chan struct{})
		post, stop := simulated(t, transport.Config{Limiter: limiter}, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-block:
			case <-r.Context().Done():
			}
			reply(200)(w, r)
		})
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 { // one in flight, two in the queue
			wg.Go(func() {
				if _, err := post(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("want the caller's end, got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		require.Equal(t, limit.Stats{Limit: 1}, limiter.Stats())
		close(block)
		_, err := post(t.Context())
		require.NoError(t, err)
	})
}

// Servers echo what they were sent, also in replies that are none of an error.
func TestEchoedCredentialsAreTakenOut(t *testing.T) {
	const key = "sk-planted/4711+credential"
	for _, header := range []http.Header{
		{"Authorization": {"Bearer " + key}}, {"X-Api-Key": {key}}, {"X-Goog-Api-Key": {key}},
	} {
		f := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"text":"your key is %s, %s"}`, key, strings.ReplaceAll(key, "/", `\/`))
		})
		var got string
		_, err := f.client.Post(t.Context(), transport.Call{URL: f.url, Body: []byte(`{}`), Header: header, Decode: func(body []byte) error {
			got = string(body)
			return nil
		}})
		require.NoError(t, err)
		require.Equal(t, `{"text":"your key is [redacted], [redacted]"}`, got)
	}
}

// All calls to a server that speaks HTTP/2 share its connection.
func TestHTTP2IsSpokenWhereTheServerDoes(t *testing.T) {
	var opened, other atomic.Int64
	var together sync.WaitGroup
	together.Add(20)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			other.Add(1)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("First") == "" {
			together.Done()
			together.Wait() // all are in flight at once
		}
		reply(200)(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	client := newClient(t, transport.Config{})
	client.Trust(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	call := transport.Call{URL: server.URL, Body: []byte(strings.Repeat(" ", 100_000)), Decode: isJSON}
	first := call
	first.Header = http.Header{"First": {"1"}}
	_, err := client.Post(t.Context(), first)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := client.Post(context.Background(), call); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Zero(t, other.Load())
	require.EqualValues(t, 1, opened.Load())
}
