package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/ledger"
	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

func pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	c, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	c.MaxConns = 2
	p, err := pgxpool.NewWithConfig(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func migrated(t testing.TB) string {
	t.Helper()
	url := postgres.Database(t)
	require.NoError(t, ledger.Migrate(t.Context(), pool(t, url)))
	return url
}

func TestTheTablesAreAskedFor(t *testing.T) {
	p := pool(t, postgres.Database(t))
	require.ErrorContains(t, ledger.New(p).Check(t.Context()), "migrate the database first")
	for range 2 {
		require.NoError(t, ledger.Migrate(t.Context(), p))
	}
	require.NoError(t, ledger.New(p).Check(t.Context()))
}

// What the database keeps is what the account was, for all that a report may say.
func TestAnAccountIsKeptWhole(t *testing.T) {
	l := ledger.New(pool(t, migrated(t)))
	reference := limit.NewAccount()
	bounds := limit.Config{MaxConcurrency: 6, RequestsPerMinute: 60, TokensPerMinute: 60_000}
	for i := range 12 {
		for _, name := range []string{"a", "b", "c"} {
			r := limit.Report{
				Process: name, Seq: int64(i + 1), Bounds: bounds, Want: 3 * (i + 1), InFlight: 1,
				Requests: limit.Demand{Need: 9, First: 1}, Tokens: limit.Demand{Need: 900, First: 100, Left: -50},
				Limit: 5 + i, Opened: i == 3, Pause: time.Duration(i) * time.Hour,
			}
			got, err := l.Renew(t.Context(), "e", r)
			require.NoError(t, err)
			// Time passes in the database alone, so compare what it does not touch.
			want, err := reference.Renew(time.Unix(0, 0), r)
			require.NoError(t, err)
			require.Equal(t, want.Processes, got.Processes)
			require.Equal(t, want.Openings, got.Openings)
			require.Equal(t, want.Part, got.Part)
			require.Equal(t, want.Concurrency, got.Concurrency)
			require.Equal(t, want.Charged, got.Charged)
			require.InDelta(t, want.Pause.Seconds(), got.Pause.Seconds(), 60)
			require.Equal(t, want.Requests.Bounded, got.Requests.Bounded)
		}
	}
	_, err := l.Renew(t.Context(), "e", limit.Report{Process: "a", Seq: 5, Bounds: bounds})
	require.ErrorIs(t, err, limit.ErrStale)
	g, err := l.Renew(t.Context(), "another", limit.Report{Process: "a", Seq: 1, Bounds: bounds, Want: 6})
	require.NoError(t, err)
	require.Equal(t, 1, g.Processes)
	require.Equal(t, 6, g.Concurrency)
	require.NoError(t, l.Leave(t.Context(), "e", limit.Report{Process: "b", Seq: 100}))
	require.NoError(t, l.Leave(t.Context(), "e", limit.Report{Process: "c", Seq: 100}))
	g, err = l.Renew(t.Context(), "e", limit.Report{Process: "a", Seq: 100, Bounds: bounds, Want: 6})
	require.NoError(t, err)
	require.Equal(t, 1, g.Processes)
	require.Equal(t, 6, g.Concurrency)
}

// Many reports at once are heard one after the other, and never is more given than
// the bound.
func TestNothingIsGivenTwice(t *testing.T) {
	url := migrated(t)
	const bound, processes = 7, 5
	var held [processes]atomic.Int64
	var wg sync.WaitGroup
	for i := range processes {
		l := ledger.New(pool(t, url))
		wg.Go(func() {
			share := 0
			for seq := range int64(40) {
				r := limit.Report{Process: fmt.Sprint(i), Seq: seq + 1, Bounds: limit.Config{MaxConcurrency: bound}, Want: 1 + int(seq+int64(i))%9, Keeps: share}
				g, err := l.Renew(context.Background(), "e", r)
				if err != nil {
					t.Error(err)
					return
				}
				share = g.Concurrency
				// Lower before the others can be given it, higher after.
				held[i].Store(int64(share))
				sum := int64(0)
				for k := range held {
					sum += held[k].Load()
				}
				if sum > bound {
					t.Errorf("%d of %d are given", sum, bound)
				}
			}
		})
	}
	wg.Wait()
}

// Three limiters, as in processes of their own, share one endpoint on a real database.
func TestThreeLimitersShareAnEndpoint(t *testing.T) {
	url := migrated(t)
	const bound = 4
	var inFlight, highest atomic.Int64
	var by [3]atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	enough := make(chan struct{})
	var once sync.Once
	var total atomic.Int64
	for i := range 3 {
		l := limit.New(limit.Config{MaxConcurrency: bound})
		stop := l.Share(limit.Sharing{Ledger: ledger.New(pool(t, url)), Endpoint: "e", Process: fmt.Sprint("p", i)})
		defer func() { require.NoError(t, stop(context.Background())) }()
		for range bound {
			wg.Go(func() {
				for {
					select {
					case <-enough:
						return
					case <-ctx.Done():
						t.Error("three limiters made too few calls in a minute")
						return
					default:
					}
					p, err := l.Acquire(ctx, limit.Ask{})
					if err != nil {
						t.Error(err)
						return
					}
					n := inFlight.Add(1)
					for h := highest.Load(); n > h && !highest.CompareAndSwap(h, n); h = highest.Load() {
					}
					time.Sleep(5 * time.Millisecond) // the time of a call
					inFlight.Add(-1)
					p.Done(limit.Usage{})
					by[i].Add(1)
					if total.Add(1) >= 300 && by[0].Load() >= 50 && by[1].Load() >= 50 && by[2].Load() >= 50 {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
	}
	wg.Wait()
	require.LessOrEqual(t, highest.Load(), int64(bound))
}

func BenchmarkRenew(b *testing.B) {
	for _, others := range []int{0, 12} {
		b.Run(fmt.Sprintf("%d others", others), func(b *testing.B) {
			l := ledger.New(pool(b, migrated(b)))
			bounds := limit.Config{MaxConcurrency: 1000, RequestsPerMinute: 60_000}
			report := func(name string, seq int64) {
				_, err := l.Renew(b.Context(), "e", limit.Report{Process: name, Seq: seq, Bounds: bounds, Want: 50, InFlight: 10, Requests: limit.Demand{Need: 10, First: 1}})
				require.NoError(b, err)
			}
			for i := range others {
				report(fmt.Sprint(i), 1)
			}
			seq := int64(0)
			for b.Loop() {
				seq++
				report("me", seq)
			}
		})
	}
}
