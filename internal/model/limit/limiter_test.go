package limit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// acquire takes a permit that is free at this moment.
func acquire(t *testing.T, l *Limiter) *Permit {
	t.Helper()
	start := time.Now()
	p, err := l.Acquire(t.Context(), Ask{})
	require.NoError(t, err)
	require.Equal(t, start, time.Now(), "nothing was to be waited for")
	return p
}

// after returns how long the next permit takes to come.
func after(t *testing.T, l *Limiter) (time.Duration, *Permit) {
	t.Helper()
	start := time.Now()
	p, err := l.Acquire(t.Context(), Ask{})
	require.NoError(t, err)
	return time.Since(start), p
}

func TestARefusalPausesTheWholeEndpoint(t *testing.T) {
	for _, tt := range []struct {
		name        string
		asked, wait time.Duration
	}{
		{"for the time that it names", 7 * time.Second, 7 * time.Second},
		{"for a quarter of a second without one", 0, 250 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{})
				acquire(t, l).Throttled(tt.asked)
				wait, p := after(t, l)
				require.Equal(t, tt.wait, wait)
				p.Done(Usage{})
				acquire(t, l).Done(Usage{})
			})
		})
	}
}

func TestRefusalsTogetherHalveTheLimitOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		var held []*Permit
		for range startLimit {
			held = append(held, acquire(t, l))
		}
		for _, p := range held {
			p.Throttled(0)
		}
		require.Equal(t, startLimit/2, l.Stats().Limit)
		require.True(t, l.Stats().Refusing)
	})
}

func TestOneCallTriesARefusingEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		acquire(t, l).Throttled(time.Second)
		var begun atomic.Int64
		permits := make(chan *Permit, 3)
		for range 3 {
			go func() {
				p, err := l.Acquire(context.Background(), Ask{})
				if err == nil {
					begun.Add(1)
					permits <- p
				}
			}()
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 1, begun.Load())
		// Refused again: the pauses double up to 2 s.
		for _, pause := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second} {
			(<-permits).Throttled(0)
			begun.Add(-1)
			go func() {
				p, err := l.Acquire(context.Background(), Ask{})
				if err == nil {
					begun.Add(1)
					permits <- p
				}
			}()
			time.Sleep(pause - time.Millisecond)
			synctest.Wait()
			require.Zero(t, begun.Load())
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			require.EqualValues(t, 1, begun.Load())
		}
		// It is not refused at once, so the others follow although it still runs.
		time.Sleep(alive)
		synctest.Wait()
		require.EqualValues(t, 3, begun.Load())
		require.False(t, l.Stats().Refusing)
		for range 3 {
			(<-permits).Done(Usage{})
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	refuse := func(t *testing.T, l *Limiter, d time.Duration) {
		acquire(t, l).Throttled(d)
	}
	t.Run("at once when the endpoint names a time beyond it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{MaxWait: time.Minute})
			refuse(t, l, time.Hour)
			start := time.Now()
			_, err := l.Acquire(t.Context(), Ask{})
			require.ErrorIs(t, err, ErrThrottled)
			require.Zero(t, time.Since(start))
		})
	})
	t.Run("of a call that was refused before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{MaxWait: time.Minute})
			since := time.Now()
			time.Sleep(50 * time.Second)
			refuse(t, l, 9*time.Second)
			p, err := l.Acquire(t.Context(), Ask{RefusedSince: since})
			require.NoError(t, err)
			p.Throttled(2 * time.Second)
			_, err = l.Acquire(t.Context(), Ask{RefusedSince: since})
			require.ErrorIs(t, err, ErrThrottled)
		})
	})
	t.Run("of calls that wait through a storm", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{MaxWait: time.Minute})
			refuse(t, l, 0)
			start := time.Now()
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					since := time.Now()
					for {
						p, err := l.Acquire(context.Background(), Ask{RefusedSince: since})
						if errors.Is(err, ErrThrottled) {
							return
						}
						p.Throttled(0)
					}
				})
			}
			wg.Wait()
			require.InDelta(t, time.Minute, time.Since(start), float64(pauseCap))
		})
	})
	t.Run("but not of calls that wait for their turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{MaxConcurrency: 1, MaxWait: time.Minute})
			held := acquire(t, l)
			time.AfterFunc(time.Hour, func() { held.Done(Usage{}) })
			wait, p := after(t, l)
			require.Equal(t, time.Hour, wait)
			p.Done(Usage{})
		})
	})
}

func TestRatesAreKept(t *testing.T) {
	t.Run("requests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{RequestsPerMinute: 120})
			start := time.Now()
			for range 10 + 120 {
				_, p := after(t, l)
				p.Done(Usage{})
			}
			require.InDelta(t, time.Minute, time.Since(start), float64(10*time.Millisecond), "ten at once, and then two a second")
		})
	})
	t.Run("tokens, whatever was reckoned", func(t *testing.T) {
		for _, tokens := range []int64{10, 1000, 50_000} {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{TokensPerMinute: 60_000})
				start, used := time.Now(), int64(0)
				for time.Since(start) < 10*time.Minute {
					_, p := after(t, l)
					used += tokens
					p.Done(Usage{Input: tokens / 2, Output: tokens / 2})
					time.Sleep(time.Millisecond)
				}
				require.LessOrEqual(t, used, int64(600_000+5000)+tokens)
				require.GreaterOrEqual(t, used, int64(570_000)-tokens)
			})
		}
	})
}

func TestABreakerSharesTheFailureOfItsTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		for range breakerFailures {
			acquire(t, l).Unavailable(false)
		}
		require.True(t, l.Stats().Open)
		var failed atomic.Int64
		var wg sync.WaitGroup
		start := time.Now()
		for range 5 {
			wg.Go(func() {
				p, err := l.Acquire(context.Background(), Ask{})
				if errors.Is(err, ErrUnavailable) {
					failed.Add(1)
					return
				}
				time.Sleep(time.Millisecond)
				p.Unavailable(false)
			})
		}
		wg.Wait()
		require.EqualValues(t, 4, failed.Load(), "one tried, and the others were spared")
		require.InDelta(t, breakerDelay, time.Since(start), float64(5*time.Millisecond))
		// The next trial finds it well again.
		wait, p := after(t, l)
		require.InDelta(t, breakerDelay, wait, float64(5*time.Millisecond))
		p.Done(Usage{})
		require.False(t, l.Stats().Open)
		acquire(t, l).Done(Usage{})
	})
}

func TestATrialThatRunsOpensTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		for range breakerFailures {
			acquire(t, l).Unavailable(false)
		}
		_, trial := after(t, l)
		wait, p := after(t, l)
		require.Equal(t, alive, wait, "a reply may take minutes, and a dead endpoint fails at once")
		p.Done(Usage{})
		trial.Done(Usage{})
	})
}

func TestTheFirstInTheQueueGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{MaxConcurrency: 1})
		held := acquire(t, l)
		var order []int
		for i := range 4 {
			ask := Ask{}
			if i == 3 {
				ask.RefusedSince = time.Now()
			}
			go func() {
				p, err := l.Acquire(context.Background(), ask)
				if err == nil {
					order = append(order, i) // one holds the permit
					p.Done(Usage{})
				}
			}()
			synctest.Wait()
		}
		held.Done(Usage{})
		synctest.Wait()
		require.Equal(t, []int{3, 0, 1, 2}, order, "a call that was refused before has waited longest")
	})
}

func TestWhoGivesUpLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{MaxConcurrency: 1})
		held := acquire(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := l.Acquire(ctx, Ask{})
			gone <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		require.Equal(t, Stats{Limit: 1, InFlight: 1}, l.Stats())
		held.Drop()
		acquire(t, l).Done(Usage{})
		require.Zero(t, l.Stats().InFlight)
	})
}

// Whatever callers do at whatever time, no permit is lost and nobody is forgotten.
func TestNothingIsLostUnderRandomUse(t *testing.T) {
	for seed := range int64(20) {
		synctest.Test(t, func(t *testing.T) {
			l := New(Config{MaxConcurrency: 1 + int(seed%7), RequestsPerMinute: 60_000 * int(seed%2), MaxWait: 5 * time.Second})
			var wg sync.WaitGroup
			var over atomic.Bool
			for i := range int64(30) {
				wg.Go(func() {
					for k := range int64(20) {
						ctx, cancel := context.WithCancel(context.Background())
						what := (seed*31 + i*7 + k*13) % 9
						if what == 0 {
							time.AfterFunc(time.Duration(i+1)*time.Millisecond, cancel)
						}
						p, err := l.Acquire(ctx, Ask{})
						cancel()
						if err != nil {
							continue
						}
						if l.Stats().InFlight > l.cfg.MaxConcurrency {
							over.Store(true)
						}
						time.Sleep(time.Duration(i+k) * time.Millisecond)
						switch what {
						case 1:
							p.Throttled(time.Duration(k) * 10 * time.Millisecond)
						case 2:
							p.Unavailable(k%2 == 0)
						case 3:
							p.Slow()
						case 4:
							p.Failed()
						case 5:
							p.Drop()
						default:
							p.Done(Usage{Output: k})
						}
					}
				})
			}
			wg.Wait()
			require.False(t, over.Load())
			require.Zero(t, l.Stats().InFlight)
			require.Zero(t, l.Stats().Waiting)
			require.Positive(t, l.Stats().Limit)
		})
	}
}

// A refusal of the only call in flight does not speak against many of them.
func TestTheLimitComesBackAfterAStorm(t *testing.T) {
	for _, tt := range []struct {
		name  string
		alone bool
		want  int
	}{
		{"that went on for a call alone", true, startLimit},
		{"that many calls at once may have made", false, startLimit/2 + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{})
				var held []*Permit
				for range startLimit {
					held = append(held, acquire(t, l))
				}
				for _, p := range held {
					p.Throttled(0)
				}
				if tt.alone {
					_, p := after(t, l)
					p.Throttled(0)
				}
				_, p := after(t, l)
				p.Done(Usage{})
				for l.Stats().Limit == startLimit/2 {
					round := make([]*Permit, l.Stats().Limit)
					for i := range round {
						round[i] = acquire(t, l)
					}
					time.Sleep(time.Second)
					for _, p := range round {
						p.Done(Usage{})
					}
				}
				require.Equal(t, tt.want, l.Stats().Limit)
			})
		})
	}
}
