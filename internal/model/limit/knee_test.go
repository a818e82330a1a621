package limit

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// station is an endpoint with so many servers, a queue before them, and a time of
// service; tokens is how long a reply is, and serve how long its service takes.
type station struct {
	servers chan struct{}
	serve   func(tokens float64) time.Duration
	tokens  func() float64
	// report tells the limiter how many tokens a reply has.
	report bool
}

func newStation(servers int, serve time.Duration) *station {
	return &station{
		servers: make(chan struct{}, servers),
		serve:   func(float64) time.Duration { return serve },
		tokens:  func() float64 { return 1 },
	}
}

func (s *station) call(l *Limiter) bool {
	p, err := l.Acquire(context.Background(), Ask{})
	if err != nil {
		return false
	}
	s.servers <- struct{}{}
	n := s.tokens()
	time.Sleep(s.serve(n))
	<-s.servers
	u := Usage{}
	if s.report {
		u.Output = int64(n)
	}
	p.Done(u)
	return true
}

// load keeps so many callers busy for a time and returns the mean limit of the
// last quarter of it.
func (s *station) load(l *Limiter, callers int, d time.Duration) float64 {
	end := time.Now().Add(d)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Now().Before(end) && s.call(l) {
			}
		})
	}
	time.Sleep(d * 3 / 4)
	sum, n := 0.0, 0.0
	for time.Now().Before(end) {
		sum += float64(l.Stats().Limit)
		n++
		time.Sleep(d / 400)
	}
	wg.Wait()
	return sum / n
}

func TestLimitSettlesAtTheKnee(t *testing.T) {
	for _, servers := range []int{1, 2, 5, 13, 32} {
		t.Run(fmt.Sprintf("%d servers", servers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const serve = 50 * time.Millisecond
				l := New(Config{})
				got := newStation(servers, serve).load(l, 4*servers+16, 800*serve)
				require.InDelta(t, servers, got, math.Max(0.1*float64(servers), 0.5))
			})
		})
	}
}

// Replies of many lengths: the time of a reply says little, its time for each token a lot.
func TestLimitSettlesWhenRepliesDiffer(t *testing.T) {
	for _, report := range []bool{true, false} {
		for _, servers := range []int{4, 24} {
			for seed := range uint64(1) {
				t.Run(fmt.Sprintf("%d servers, tokens reported %v, seed %d", servers, report, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var mu sync.Mutex
						random := rand.New(rand.NewPCG(seed, 1))
						s := newStation(servers, 0)
						s.report = report
						s.tokens = func() float64 {
							mu.Lock()
							defer mu.Unlock()
							return 20 + 400*random.Float64()
						}
						s.serve = func(tokens float64) time.Duration { return time.Duration(tokens * float64(5*time.Millisecond)) }
						l := New(Config{})
						got := s.load(l, 4*servers+16, 2000*time.Second)
						share := 0.3 // by the latency alone
						if report {
							share = 0.1
						}
						require.InDelta(t, servers, got, math.Max(share*float64(servers), 0.5))
					})
				})
			}
		}
	}
}

// A server that batches grows slower bit by bit. With latency in proportion to
// 1 + n/half, half of an increase arrives as throughput at n = half.
func TestLimitSettlesWhereABatchPaysHalf(t *testing.T) {
	for _, half := range []float64{8, 30} {
		t.Run(fmt.Sprintf("half at %v", half), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{})
				s := newStation(10000, 0)
				s.serve = func(float64) time.Duration {
					return time.Duration(float64(100*time.Millisecond) * (1 + float64(l.Stats().InFlight)/half))
				}
				got := s.load(l, int(4*half)+16, 160*time.Second)
				require.InDelta(t, half, got, 0.15*half)
			})
		})
	}
}

func TestLimitFollowsAnEndpointThatChanges(t *testing.T) {
	for _, tt := range []struct{ before, after int }{{40, 10}, {10, 40}} {
		t.Run(fmt.Sprintf("%d to %d servers", tt.before, tt.after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const serve = 50 * time.Millisecond
				l := New(Config{})
				require.InDelta(t, tt.before, newStation(tt.before, serve).load(l, 128, 400*serve), 0.1*float64(tt.before))
				require.InDelta(t, tt.after, newStation(tt.after, serve).load(l, 128, 1600*serve), 0.1*float64(tt.after))
			})
		})
	}
}

// Longer prompts look like a busy endpoint at first.
func TestLimitComesBackWhenCallsGrowLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		newStation(24, 50*time.Millisecond).load(l, 96, 20*time.Second)
		got := newStation(24, 500*time.Millisecond).load(l, 96, 800*time.Second)
		require.InDelta(t, 24, got, 2.4)
	})
}

func TestLimitStaysWhereNobodyAsksForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		newStation(100, 50*time.Millisecond).load(l, 3, 10*time.Second)
		require.Equal(t, startLimit, l.Stats().Limit)
	})
}

func TestLimitKeepsToItsBound(t *testing.T) {
	for _, most := range []int{1, 2, 7, 30} {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{MaxConcurrency: most})
			s := newStation(100, 50*time.Millisecond)
			var mu sync.Mutex
			highest := 0
			s.tokens = func() float64 {
				mu.Lock()
				defer mu.Unlock()
				highest = max(highest, len(s.servers))
				return 1
			}
			got := s.load(l, 128, 40*time.Second)
			require.Equal(t, most, highest)
			require.InDelta(t, most, got, math.Max(0.1*float64(most), 0.5))
		})
	}
}

// A pause of the endpoint, as for a collection of its garbage, moves the limit for a
// moment only.
func TestAMomentsSlownessIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		s := newStation(24, 50*time.Millisecond)
		s.load(l, 96, 20*time.Second)
		slow := time.Now().Add(300 * time.Millisecond)
		s.serve = func(float64) time.Duration { return 50*time.Millisecond + max(0, time.Until(slow)) }
		s.load(l, 96, 4*time.Second)
		require.InDelta(t, 24, l.Stats().Limit, 2.4)
	})
}
