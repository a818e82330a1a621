package limit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// sharers are limiters of one endpoint in processes of their own.
type sharers struct {
	ledger *memory
	all    []*Limiter
	stops  []func(context.Context) error
}

func (s *sharers) add(t *testing.T, c Config) *Limiter {
	l := New(c)
	stop := l.Share(Sharing{Ledger: s.ledger, Endpoint: "e", Process: fmt.Sprint("p", len(s.all))})
	s.all, s.stops = append(s.all, l), append(s.stops, stop)
	t.Cleanup(func() { require.NoError(t, stop(context.Background())) })
	return l
}

func sharing(t *testing.T, n int, c Config) *sharers {
	s := &sharers{ledger: newMemory()}
	for range n {
		s.add(t, c)
	}
	return s
}

// endpoint counts calls that all take the same time.
type endpoint struct {
	takes time.Duration

	mu       sync.Mutex
	inFlight int
	highest  int
	begun    []time.Time
	by       map[*Limiter]int
	aborted  int
}

func (e *endpoint) call(l *Limiter) error {
	p, err := l.Acquire(context.Background(), Ask{InputTokens: 100})
	if err != nil {
		return err
	}
	ctx, stop := p.Context(context.Background())
	defer stop()
	e.mu.Lock()
	e.inFlight++
	e.highest = max(e.highest, e.inFlight)
	e.begun = append(e.begun, time.Now())
	if e.by == nil {
		e.by = map[*Limiter]int{}
	}
	e.by[l]++
	e.mu.Unlock()
	select {
	case <-time.After(e.takes):
	case <-ctx.Done():
	}
	e.mu.Lock()
	e.inFlight--
	e.mu.Unlock()
	if ctx.Err() != nil {
		e.mu.Lock()
		e.aborted++
		e.mu.Unlock()
		p.Drop()
		return nil
	}
	p.Done(Usage{Input: 100, Output: 100})
	return nil
}

// load has callers call for a time.
func (e *endpoint) load(wg *sync.WaitGroup, l *Limiter, callers int, d time.Duration) {
	end := time.Now().Add(d)
	for range callers {
		wg.Go(func() {
			for time.Now().Before(end) && e.call(l) == nil {
			}
		})
	}
}

// peak is the most calls that were in flight so far; total counts all that began.
func (e *endpoint) peak() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.highest
}

func (e *endpoint) total() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.begun)
}

// inAnyMinute is the most calls that began within a minute.
func (e *endpoint) inAnyMinute() int {
	most, from := 0, 0
	for i, at := range e.begun {
		for e.begun[from].Before(at.Add(-time.Minute)) {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

func TestOneProcessAloneGetsAllWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing(t, 1, Config{MaxConcurrency: 100, RequestsPerMinute: 6000})
		s.all[0].search.limit = 100
		e := &endpoint{takes: time.Minute}
		var wg sync.WaitGroup
		e.load(&wg, s.all[0], 200, time.Second)
		time.Sleep(30 * time.Millisecond)
		require.NotZero(t, e.peak(), "something at once")
		time.Sleep(970 * time.Millisecond)
		require.Equal(t, 100, e.peak())
		wg.Wait()
	})
}

func TestCallsInFlightKeepToTheBoundOverAllProcesses(t *testing.T) {
	for _, bound := range []int{1, 2, 3, 7, 40} {
		for _, takes := range []time.Duration{50 * time.Millisecond, 5 * time.Second} {
			t.Run(fmt.Sprintf("%d calls of %v", bound, takes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := sharing(t, 3, Config{MaxConcurrency: bound})
					e := &endpoint{takes: takes}
					var wg sync.WaitGroup
					for _, l := range s.all {
						l.search.most = bound
						l.search.limit = bound
						e.load(&wg, l, bound+2, 2*time.Minute)
					}
					wg.Wait()
					require.Equal(t, bound, e.highest)
					fair := len(e.begun) / 3
					for i, l := range s.all {
						require.InDelta(t, fair, e.by[l], max(0.34*float64(fair), 3), "of process %d", i)
					}
					ideal := float64(bound) * 120 / takes.Seconds()
					t.Logf("%.0f%% of the ideal", 100*float64(len(e.begun))/ideal)
					require.Greater(t, float64(len(e.begun)), 0.7*ideal)
				})
			})
		}
	}
}

func TestRatesKeepToTheBoundOverAllProcesses(t *testing.T) {
	for _, rate := range []int{2, 30, 600, 6000} {
		t.Run(fmt.Sprintf("%d a minute", rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sharing(t, 3, Config{RequestsPerMinute: rate})
				e := &endpoint{takes: 50 * time.Millisecond}
				var wg sync.WaitGroup
				for _, l := range s.all {
					e.load(&wg, l, 10, 10*time.Minute)
				}
				wg.Wait()
				t.Logf("%.0f%% of the ideal; at most %d in a minute", 10*float64(len(e.begun))/float64(rate), e.inAnyMinute())
				require.LessOrEqual(t, e.inAnyMinute(), rate+max(1, rate/burst))
				require.Greater(t, len(e.begun), 9*rate)
				for i, l := range s.all {
					require.InDelta(t, len(e.begun)/3, e.by[l], max(0.1*float64(len(e.begun)), 2), "of process %d", i)
				}
			})
		})
	}
}

// The tokens of a call are known when it ends; calls here take 200.
func TestTokensKeepToTheBoundOverAllProcesses(t *testing.T) {
	for _, rate := range []int{600, 24000} {
		t.Run(fmt.Sprintf("%d a minute", rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sharing(t, 3, Config{TokensPerMinute: rate})
				e := &endpoint{takes: 50 * time.Millisecond}
				var wg sync.WaitGroup
				for _, l := range s.all {
					e.load(&wg, l, 10, 10*time.Minute)
				}
				wg.Wait()
				t.Logf("%.0f%% of the ideal; at most %d in a minute", 1000*20*float64(len(e.begun))/float64(rate)/10, e.inAnyMinute())
				require.LessOrEqual(t, 200*e.inAnyMinute(), rate+max(356, rate/burst)+200)
				require.Greater(t, 200*len(e.begun), 8*rate)
			})
		})
	}
}

// What one process does not want, the others have.
func TestSharesFollowDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing(t, 3, Config{MaxConcurrency: 30})
		e := &endpoint{takes: 100 * time.Millisecond}
		var wg sync.WaitGroup
		for _, l := range s.all {
			l.search.limit = 30
		}
		e.load(&wg, s.all[0], 2, time.Minute)
		e.load(&wg, s.all[1], 50, time.Minute)
		time.Sleep(10 * time.Second)
		require.GreaterOrEqual(t, s.all[1].Stats().InFlight, 26)
		e.load(&wg, s.all[2], 50, 50*time.Second)
		time.Sleep(5 * time.Second)
		require.InDelta(t, 14, s.all[2].Stats().InFlight, 1)
		require.InDelta(t, 14, s.all[1].Stats().InFlight, 1)
		require.Equal(t, 3, s.all[0].Stats().Processes)
		wg.Wait()
		require.LessOrEqual(t, e.highest, 30)
	})
}

func TestAProcessThatLeavesGivesItsShareBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing(t, 2, Config{MaxConcurrency: 1})
		p, err := s.all[0].Acquire(t.Context(), Ask{})
		require.NoError(t, err)
		p.Done(Usage{})
		require.NoError(t, s.stops[0](t.Context()))
		start := time.Now()
		p, err = s.all[1].Acquire(t.Context(), Ask{})
		require.NoError(t, err)
		p.Done(Usage{})
		require.Less(t, time.Since(start), 100*time.Millisecond)
	})
}

// A process that cannot reach the ledger calls nobody when its share has ended, and
// gives up what is in flight, before others get that.
func TestAProcessThatCannotRenewStopsBeforeOthersGetItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sharers{ledger: newMemory()}
		cut := &cutOff{Ledger: s.ledger}
		var failed, renewed atomic.Int64
		lone := New(Config{MaxConcurrency: 4})
		stop := lone.Share(Sharing{Ledger: cut, Endpoint: "e", Process: "lone", Failed: func(error) { failed.Add(1) }, Renewed: func() { renewed.Add(1) }})
		defer func() { require.NoError(t, stop(context.Background())) }()
		other := s.add(t, Config{MaxConcurrency: 4})
		e := &endpoint{takes: time.Hour}
		var wg sync.WaitGroup
		e.load(&wg, lone, 4, time.Second)
		time.Sleep(time.Second)
		require.Equal(t, 4, e.peak())
		cut.set(true)
		fast := &endpoint{takes: 100 * time.Millisecond}
		start := time.Now()
		var first time.Duration
		fast.load(&wg, other, 8, 30*time.Second)
		for time.Since(start) < 30*time.Second {
			time.Sleep(10 * time.Millisecond)
			e.mu.Lock()
			mine := e.inFlight
			e.mu.Unlock()
			fast.mu.Lock()
			require.LessOrEqual(t, mine+fast.inFlight, 4)
			if first == 0 && fast.inFlight == 4 {
				first = time.Since(start)
			}
			fast.mu.Unlock()
		}
		require.NotZero(t, first)
		require.LessOrEqual(t, first, Lease+time.Second)
		e.mu.Lock()
		require.Equal(t, 4, e.aborted)
		e.mu.Unlock()
		require.True(t, lone.Stats().Expired)
		require.EqualValues(t, 1, failed.Load(), "told once")
		cut.set(false)
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 1, renewed.Load())
		wg.Wait()
		require.NoError(t, fast.call(lone))
		require.False(t, lone.Stats().Expired)
	})
}

// cutOff is a ledger that one process cannot reach at times.
type cutOff struct {
	Ledger
	mu  sync.Mutex
	off bool
}

func (c *cutOff) set(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
}

func (c *cutOff) Renew(ctx context.Context, endpoint string, r Report) (Grant, error) {
	c.mu.Lock()
	off := c.off
	c.mu.Unlock()
	if off {
		return Grant{}, errAway
	}
	return c.Ledger.Renew(ctx, endpoint, r)
}

// The database is away for everybody for longer than a lease: nothing is exceeded
// after it comes back, and calls go on.
func TestALedgerThatIsAwayStopsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing(t, 3, Config{MaxConcurrency: 5})
		e := &endpoint{takes: 100 * time.Millisecond}
		var wg sync.WaitGroup
		for _, l := range s.all {
			l.search.limit = 5
			e.load(&wg, l, 5, 2*time.Minute)
		}
		time.Sleep(10 * time.Second)
		s.ledger.set(true)
		time.Sleep(Hold + time.Second)
		e.mu.Lock()
		begun, inFlight := len(e.begun), e.inFlight
		e.mu.Unlock()
		require.Zero(t, inFlight)
		time.Sleep(time.Minute)
		require.Equal(t, begun, e.total())
		s.ledger.set(false)
		wg.Wait()
		require.Greater(t, len(e.begun), begun+1000)
		require.Equal(t, 5, e.highest)
	})
}

func TestARefusalHoldsForAllProcessesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing(t, 2, Config{})
		acquireSoon := func(l *Limiter) *Permit {
			p, err := l.Acquire(t.Context(), Ask{})
			require.NoError(t, err)
			return p
		}
		p, q := acquireSoon(s.all[0]), acquireSoon(s.all[1])
		p.Throttled(30 * time.Second)
		time.Sleep(1100 * time.Millisecond)
		q.Done(Usage{})
		until := s.all[1].Stats().PausedUntil
		require.InDelta(t, 28.9, time.Until(until).Seconds(), 0.1)
		time.Sleep(10 * time.Second)
		require.InDelta(t, 0, s.all[0].Stats().PausedUntil.Sub(until).Seconds(), 0.1, "a pause does not grow by being told")
		require.InDelta(t, 0, s.all[1].Stats().PausedUntil.Sub(until).Seconds(), 0.1)
		wait, r := after(t, s.all[1])
		require.InDelta(t, 18.9, wait.Seconds(), 0.1)
		r.Done(Usage{})
	})
}

func TestAnOpenBreakerHoldsForAllProcessesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing(t, 2, Config{})
		held, err := s.all[1].Acquire(t.Context(), Ask{})
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		for range breakerFailures {
			p, err := s.all[0].Acquire(t.Context(), Ask{})
			require.NoError(t, err)
			p.Unavailable(false)
		}
		require.True(t, s.all[0].Stats().Open)
		time.Sleep(1100 * time.Millisecond)
		require.True(t, s.all[1].Stats().Open)
		held.Drop()
		// The endpoint is back: one call of each finds out.
		for _, l := range s.all {
			_, p := after(t, l)
			p.Done(Usage{})
			require.False(t, l.Stats().Open)
		}
		time.Sleep(5 * time.Second)
		require.False(t, s.all[1].Stats().Open, "an opening is heard once")
	})
}

// The searches of all processes settle with a sum near the knee, in equal parts.
func TestSearchesShareTheKnee(t *testing.T) {
	for _, tt := range []struct {
		processes, servers int
		above              float64
	}{{2, 16, 0.3}, {2, 40, 0.3}, {3, 45, 0.4}, {4, 60, 0.6}} {
		t.Run(fmt.Sprintf("%d processes, %d servers", tt.processes, tt.servers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const serve = 50 * time.Millisecond
				s := sharing(t, tt.processes, Config{})
				station := newStation(tt.servers, serve)
				limits := make([]float64, tt.processes)
				var wg sync.WaitGroup
				for i, l := range s.all {
					wg.Go(func() { limits[i] = station.load(l, 4*tt.servers, 6000*serve) })
				}
				wg.Wait()
				sum := 0.0
				for _, n := range limits {
					sum += n
				}
				t.Logf("limits %.1f, sum %.1f", limits, sum)
				require.InDelta(t, tt.servers, sum, tt.above*float64(tt.servers))
				for _, n := range limits {
					require.InDelta(t, sum/float64(tt.processes), n, 0.4*sum/float64(tt.processes))
				}
			})
		})
	}
}

// A process that starts while another one calls begins with its part of what that
// has found, which that gives up.
func TestANewProcessBeginsNearWhatOthersFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const serve = 50 * time.Millisecond
		s := sharing(t, 1, Config{})
		station := newStation(64, serve)
		station.load(s.all[0], 256, 800*serve)
		var wg sync.WaitGroup
		wg.Go(func() { station.load(s.all[0], 256, 400*serve) })
		time.Sleep(serve)
		second := s.add(t, Config{})
		wg.Go(func() { station.load(second, 256, 400*serve) })
		before := s.all[0].Stats().Limit
		a, b := before, 0
		for range 40 { // two rounds of reports, and some
			time.Sleep(100 * time.Millisecond)
			if a, b = s.all[0].Stats().Limit, second.Stats().Limit; a < before*3/4 {
				break
			}
		}
		wg.Wait()
		t.Logf("%d, and then %d and %d", before, a, b)
		// By itself it would have come from 8 upwards, and the other one stayed.
		require.Less(t, a, before*3/4)
		require.InDelta(t, before/2, b, float64(before)/4+2)
	})
}

func TestAnIdleProcessReportsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing(t, 2, Config{})
		time.Sleep(time.Hour)
		require.Zero(t, s.ledger.heard())
		_, p := after(t, s.all[0])
		p.Done(Usage{})
		time.Sleep(2 * idle)
		n := s.ledger.heard()
		require.Less(t, n, 80)
		s.ledger.mu.Lock()
		require.Empty(t, s.ledger.accounts["e"].Members)
		s.ledger.mu.Unlock()
		time.Sleep(time.Hour)
		require.Equal(t, n, s.ledger.heard())
		wait, p := after(t, s.all[0])
		require.Less(t, wait, 50*time.Millisecond)
		p.Done(Usage{})
	})
}
