package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model/simserver"
)

// weather is what befalls every call for a while.
type weather int

const (
	fair weather = iota
	// storm answers 429, with and without Retry-After in turn, and burst 500 and 503.
	storm
	burst
)

// fault is what befalls one call of a sample.
type fault int

const (
	none fault = iota
	garbage
	invalidJSON
	page
	cut
	silent
	reset
	broken
	hang
	slow
	faults
)

// call is what the endpoint knows of one sample, which is told by its seed.
type call struct {
	// answered counts the calls that were answered in earnest, delivered those whose
	// reply the client took to the last byte.
	answered, delivered int
	faulted             bool
}

// endpoint is a simulated model behind a fault injector. It records every call.
type endpoint struct {
	addr string
	sim  *simserver.Server
	// seed decides which samples meet which fault, one in `every`; 0 for none.
	seed  uint64
	every uint64
	// lasting has a sample meet its fault every time and not once only.
	lasting bool

	mu      sync.Mutex
	srv     *http.Server
	weather weather
	stormy  int
	calls   map[int64]*call
	total   int
	// first is told of the next call in earnest for one of the watched samples, and bell
	// is closed at the next one for any.
	watched map[int64]bool
	first   chan time.Time
	bell    chan struct{}
}

func newEndpoint(t *testing.T, seed, every uint64) *endpoint {
	t.Helper()
	sim, err := simserver.New(simserver.Options{})
	require.NoError(t, err)
	e := &endpoint{sim: sim, seed: seed, every: every, calls: map[int64]*call{}, bell: make(chan struct{})}
	e.listen(t, "127.0.0.1:0")
	t.Cleanup(func() { e.refuse(t); sim.Stop() })
	return e
}

// listen opens the port, again after refuse.
func (e *endpoint) listen(t *testing.T, addr string) {
	t.Helper()
	var lc net.ListenConfig
	var ln net.Listener
	require.Eventually(t, func() (ok bool) {
		var err error
		ln, err = lc.Listen(context.Background(), "tcp", addr)
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	srv := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	e.mu.Lock()
	e.addr, e.srv = ln.Addr().String(), srv
	e.mu.Unlock()
	go func() { _ = srv.Serve(ln) }()
}

// refuse closes the port and every connection.
func (e *endpoint) refuse(t *testing.T) {
	t.Helper()
	e.mu.Lock()
	srv := e.srv
	e.mu.Unlock()
	_ = srv.Close()
}

func (e *endpoint) set(w weather) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.weather = w
}

// forget begins a new record.
func (e *endpoint) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls, e.total = map[int64]*call{}, 0
}

// count returns the calls that were answered in earnest, and a channel that is closed
// at the next one.
func (e *endpoint) count() (int, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.total, e.bell
}

// repeated counts the calls in earnest beyond the first of each sample.
func (e *endpoint) repeated() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		n += max(0, c.answered-1)
	}
	return n
}

// watch tells when one of these samples is next asked for.
func (e *endpoint) watch(seeds map[int64]bool) <-chan time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watched, e.first = seeds, make(chan time.Time, 1)
	return e.first
}

// kind returns the fault that a sample meets.
func (e *endpoint) kind(seed int64) fault {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, e.seed, seed)
	if v := h.Sum64() >> 8; e.every > 0 && v%e.every == 0 {
		return fault(1 + v/e.every%uint64(faults-1)) //nolint:gosec // small
	}
	return none
}

// meet decides what befalls a call.
func (e *endpoint) meet(seed int64) (weather, fault, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.weather != fair {
		e.stormy++
		return e.weather, none, e.stormy
	}
	c := e.calls[seed]
	if c == nil {
		c = &call{}
		e.calls[seed] = c
	}
	// A sample meets one fault, for a bad reply is asked for once more only.
	if f := e.kind(seed); f != none && (!c.faulted || e.lasting && f != slow) {
		c.faulted = true
		return fair, f, 0
	}
	c.answered++
	e.total++
	if e.watched[seed] {
		e.watched = nil
		e.first <- time.Now()
	}
	close(e.bell)
	e.bell = make(chan struct{})
	return fair, none, 0
}

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var req struct{ Seed int64 }
	if r.Method != http.MethodPost || json.Unmarshal(body, &req) != nil {
		e.sim.ServeHTTP(w, r)
		return
	}
	sky, f, n := e.meet(req.Seed)
	switch sky {
	case storm:
		after := ""
		if n%2 == 0 {
			after = "1"
		}
		simserver.Status(http.StatusTooManyRequests, after)(e.sim, w, r)
		return
	case burst:
		simserver.Status(500+3*(n%2), "")(e.sim, w, r)
		return
	case fair:
	}
	switch f {
	case garbage:
		simserver.Body(http.StatusOK, "application/json", "\x00\xff\xfe{{{]]\x1b[2J")(e.sim, w, r)
		return
	case invalidJSON:
		simserver.InvalidJSON(e.sim, w, r)
		return
	case page:
		simserver.Page(e.sim, w, r)
		return
	case cut:
		simserver.Cut(e.sim, w, r)
		return
	case silent:
		half(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n", false)
		return
	case reset:
		half(w, "", true)
		return
	case broken:
		simserver.Status(http.StatusInternalServerError, "")(e.sim, w, r)
		return
	case hang:
		<-r.Context().Done()
		return
	case slow:
		// Not a fault to the client: the reply comes later, and is the call in earnest.
		pause := time.NewTimer(300 * time.Millisecond)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-r.Context().Done():
			return
		}
		if sky, _, _ := e.meet(req.Seed); sky != fair {
			simserver.Status(http.StatusServiceUnavailable, "")(e.sim, w, r)
			return
		}
	case none, faults:
	}
	e.answer(w, r, req.Seed, body)
}

// answer gives the model's reply, and records whether the client took it.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request, seed int64, body []byte) {
	inner := r.Clone(r.Context())
	inner.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	e.sim.ServeHTTP(rec, inner)
	if r.Context().Err() != nil {
		return // the client was killed
	}
	w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	if _, err := w.Write(rec.Body.Bytes()); err == nil && http.NewResponseController(w).Flush() == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		if c := e.calls[seed]; c != nil {
			c.delivered++
		}
	}
}

// half sends the beginning of a reply and closes the connection: with a FIN, or with
// a RST.
func half(w http.ResponseWriter, head string, rst bool) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = buffered.WriteString(head)
	_ = buffered.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok && rst {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
