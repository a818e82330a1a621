// Command models measures how calls to a model find the knee of an endpoint and
// come through a storm of refusals, over HTTP on loopback and in real time.
//
// The endpoint works on a known number of requests at once, each for a known time,
// and queues the rest, so the knee is known. `make bench-models` runs it; it takes
// about seven minutes and ends by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

func main() {
	storm := flag.Duration("storm", 20*time.Second, "length of the storm")
	settle := flag.Duration("settle", 45*time.Second, "time to find the knee")
	serve := flag.Duration("serve", 100*time.Millisecond, "time of service of one request")
	flag.Parse()
	if err := measure(*settle, *storm, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "bench/models:", err)
		os.Exit(1)
	}
}

func measure(settle, storm, serve time.Duration) error {
	fmt.Printf("knee: callers = 4 x servers + 16, %v of service, limit over the last quarter of %v\n", serve, settle)
	fmt.Printf("%8s %24s %24s\n", "servers", "unmask mean (low-high)", "failsafe mean (low-high)")
	for _, servers := range []int{4, 16, 32} {
		ours, err := knee(servers, settle, serve, false)
		if err != nil {
			return err
		}
		theirs, err := knee(servers, settle, serve, true)
		if err != nil {
			return err
		}
		fmt.Printf("%8d %24s %24s\n", servers, ours, theirs)
	}
	for _, header := range []string{"", "1"} {
		if err := throughStorm(16, settle, storm, serve, header); err != nil {
			return err
		}
	}
	return nil
}

// endpoint is a server with a knee and a switch for storms.
type endpoint struct {
	url              string
	close            func()
	storming         atomic.Bool
	served, refused  atomic.Int64
	retryAfterHeader string
}

func newEndpoint(servers int, serve time.Duration) (*endpoint, error) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{url: "http://" + ln.Addr().String()}
	free := make(chan struct{}, servers)
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if e.storming.Load() {
			e.refused.Add(1)
			if e.retryAfterHeader != "" {
				w.Header().Set("Retry-After", e.retryAfterHeader)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		free <- struct{}{}
		time.Sleep(serve)
		<-free
		e.served.Add(1)
		_, _ = io.WriteString(w, `{}`)
	})}
	go func() { _ = s.Serve(ln) }()
	e.close = func() { _ = s.Close() }
	return e, nil
}

// client posts to the endpoint, through our limiter or around failsafe-go's.
type client struct {
	transport *transport.Client
	url       string
	ours      *limit.Limiter
	theirs    adaptivelimiter.AdaptiveLimiter[any]
}

func newClient(url string, failsafe bool) (*client, error) {
	c := &client{url: url}
	if failsafe {
		c.theirs = adaptivelimiter.NewBuilder[any]().WithLimits(1, 1024, 8).Build()
	} else {
		c.ours = limit.New(limit.Config{})
	}
	var err error
	c.transport, err = transport.New(transport.Config{Limiter: c.ours, Concurrency: 1024})
	return c, err
}

func (c *client) limit() int {
	if c.theirs != nil {
		return c.theirs.Limit()
	}
	return c.ours.Stats().Limit
}

func (c *client) call(ctx context.Context) error {
	if c.theirs != nil {
		permit, err := c.theirs.AcquirePermit(ctx)
		if err != nil {
			return err
		}
		defer permit.Record()
	}
	_, err := c.transport.Post(ctx, transport.Call{URL: c.url, Body: []byte(`{}`), Decode: func([]byte) error { return nil }})
	return err
}

// load keeps so many callers busy until stop is closed, and counts lost calls.
func (c *client) load(callers int, stop <-chan struct{}) (lost *atomic.Int64, wait func()) {
	lost = &atomic.Int64{}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if c.call(context.Background()) != nil {
						lost.Add(1)
					}
				}
			}
		})
	}
	return lost, wg.Wait
}

// spread is what the limit was over a time.
type spread struct {
	mean      float64
	low, high int
}

func (s spread) String() string { return fmt.Sprintf("%.1f (%d-%d)", s.mean, s.low, s.high) }

func (c *client) watch(d time.Duration) spread {
	const looks = 200
	s := spread{low: 1 << 30}
	for range looks {
		n := c.limit()
		s.mean += float64(n) / looks
		s.low, s.high = min(s.low, n), max(s.high, n)
		time.Sleep(d / looks)
	}
	return s
}

func knee(servers int, settle, serve time.Duration, failsafe bool) (spread, error) {
	e, err := newEndpoint(servers, serve)
	if err != nil {
		return spread{}, err
	}
	defer e.close()
	c, err := newClient(e.url, failsafe)
	if err != nil {
		return spread{}, err
	}
	defer c.transport.Close()
	stop := make(chan struct{})
	_, wait := c.load(4*servers+16, stop)
	time.Sleep(settle * 3 / 4)
	s := c.watch(settle / 4)
	close(stop)
	wait()
	return s, nil
}

func throughStorm(servers int, settle, storm, serve time.Duration, header string) error {
	e, err := newEndpoint(servers, serve)
	if err != nil {
		return err
	}
	defer e.close()
	e.retryAfterHeader = header
	c, err := newClient(e.url, false)
	if err != nil {
		return err
	}
	defer c.transport.Close()
	stop := make(chan struct{})
	lost, wait := c.load(4*servers+16, stop)
	time.Sleep(settle - 5*time.Second)
	before := e.rate(5 * time.Second)
	e.storming.Store(true)
	time.Sleep(time.Second)
	first := e.refused.Load()
	time.Sleep(storm - time.Second)
	e.storming.Store(false)
	ended := time.Now()
	var back time.Duration
	for back == 0 && time.Since(ended) < 30*time.Second {
		if e.rate(500*time.Millisecond) >= 0.9*before {
			back = time.Since(ended) - 500*time.Millisecond
		}
	}
	after := e.rate(5 * time.Second)
	close(stop)
	wait()
	fmt.Printf("storm of %v of 429s (Retry-After %q), %d servers: %.0f calls/s before, %d refused in the first second and %d in all, "+
		"%d calls lost, at 90%% again %.1f s after its end, %.0f calls/s later\n",
		storm, header, servers, before, first, e.refused.Load(), lost.Load(), back.Seconds(), after)
	return nil
}

// rate is the throughput over a time, in calls a second.
func (e *endpoint) rate(d time.Duration) float64 {
	n, start := e.served.Load(), time.Now()
	time.Sleep(d)
	return float64(e.served.Load()-n) / time.Since(start).Seconds()
}
