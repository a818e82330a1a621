// Package chaos kills servers, workers and the database in mid-run, and has the
// model's endpoint fail in every way, again and again. From outside it looks whether
// anything was lost, doubled or asked for twice without need, and whether the report
// is the one of an undisturbed run. `make chaos` runs the long version.
package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/testkit"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

var (
	rounds = flag.Int("chaos.rounds", 0, "kills on each store; 0 for a short version")
	seed   = flag.Uint64("chaos.seed", 0, "seed of what happens when; 0 for one drawn from the clock")
	limit  = flag.Duration("chaos.limit", 9*time.Minute, "how long the rounds on one store may take")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = 1
		if *rounds > 0 {
			*seed = uint64(time.Now().UnixNano()) //nolint:gosec // any bits will do
		}
	}
	code := postgres.Main(m).Run()
	times.print()
	testkit.Clean()
	os.Exit(code)
}

func long() bool { return *rounds > 0 }

// size is how many queries and samples of each a run has.
func size() (queries, samples int32) {
	if long() {
		return 80, 6
	}
	return 40, 4
}

// recoveries are measured times, by what was measured.
type recoveries struct {
	mu sync.Mutex
	of map[string][]time.Duration
}

var times = recoveries{of: map[string][]time.Duration{}}

func (r *recoveries) add(what string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[what] = append(r.of[what], took)
}

func (r *recoveries) print() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.of) == 0 {
		return
	}
	fmt.Printf("%-72s %5s %9s %9s %9s\n", "recovery", "n", "min", "median", "max")
	names := make([]string, 0, len(r.of))
	for name := range r.of {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		all := r.of[name]
		slices.Sort(all)
		ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
		fmt.Printf("%-72s %5d %9s %9s %9s\n", name, len(all), ms(all[0]), ms(all[len(all)/2]), ms(all[len(all)-1]))
	}
}

// undisturbed is a run to which nothing happens: its report, and the seed of each
// sample by its index.
var undisturbed = struct {
	once   sync.Once
	report string
	seeds  map[int]int64
}{}

func reference(t *testing.T) (report string, seeds map[int]int64) {
	t.Helper()
	undisturbed.once.Do(func() {
		e := newEndpoint(t, 0, 0)
		c := newCluster(t, e, nil)
		name := c.begin(t)
		r := c.finish(t, name)
		undisturbed.report = c.report(t, name)
		undisturbed.seeds = map[int]int64{}
		distinct := map[int64]bool{}
		for _, tr := range c.transcripts(t, name) {
			undisturbed.seeds[int(tr.GetIndex())] = tr.GetSeed()
			distinct[tr.GetSeed()] = true
		}
		require.Len(t, distinct, int(r.GetProgress().GetPlanned()), "samples are told by their seeds")
		require.Zero(t, e.repeated())
	})
	require.NotEmpty(t, undisturbed.report, "there is no undisturbed run")
	return undisturbed.report, undisturbed.seeds
}

// game is one store's rounds.
type game struct {
	*cluster
	random *rand.Rand
	store  string
	want   string
	seeds  map[int]int64
	name   string
	// kills counts the moments in this run at which processes were killed: each may
	// cost the calls in flight, and nothing else may.
	kills  int
	played int
}

func newGame(t *testing.T, store string, database *postgres.Server) *game {
	t.Helper()
	t.Logf("-chaos.seed=%d", *seed)
	g := &game{store: store, random: rand.New(rand.NewPCG(*seed, uint64(len(store))))} //nolint:gosec // a reproducible test
	g.want, g.seeds = reference(t)
	g.cluster = newCluster(t, newEndpoint(t, *seed, 12), database)
	g.name = g.begin(t)
	return g
}

// round waits for a random moment, does what it is given, and looks.
func (g *game) round(t *testing.T, what string, disturb func()) {
	t.Helper()
	g.played++
	if r := g.await(t, g.name, 20+g.random.IntN(60)); ended(r) {
		g.check(t)
		g.name, g.kills = g.begin(t), 0
		g.await(t, g.name, 20+g.random.IntN(60))
	}
	before := g.transcripts(t, g.name)
	g.await(t, g.name, 1+g.random.IntN(8))
	disturb()
	after := g.transcripts(t, g.name)
	for id, tr := range before {
		require.Contains(t, after, id, "%s: a finished sample is lost", what)
		require.True(t, proto.Equal(tr, after[id]), "%s: a finished sample was made again: %s", what, id)
	}
	require.LessOrEqual(t, g.endpoint.repeated(), g.kills*concurrency, "%s: more was asked for again than was in flight", what)
	if g.played%10 == 0 || !long() {
		t.Logf("round %d: %s; %d samples before, %d after; %d calls repeated in %d kills", g.played, what, len(before), len(after), g.endpoint.repeated(), g.kills)
	}
}

// check brings the run to its end and compares it.
func (g *game) check(t *testing.T) {
	t.Helper()
	r := g.finish(t, g.name)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, r.GetState(), "%s", r.GetError())
	require.LessOrEqual(t, g.endpoint.repeated(), g.kills*concurrency)
	got := g.report(t, g.name)
	if got != g.want {
		wants, gots := strings.Split(g.want, "\n"), strings.Split(got, "\n")
		for i := range min(len(wants), len(gots)) {
			require.Equal(t, wants[i], gots[i], "another report than that of the undisturbed run")
		}
		require.FailNow(t, "another report than that of the undisturbed run")
	}
}

// sky has the endpoint refuse everything for a moment.
func (g *game) sky(t *testing.T) string {
	t.Helper()
	pause := func() { // how long the weather lasts, which nothing can be waited for in
		timer := time.NewTimer(time.Duration(100+g.random.IntN(400)) * time.Millisecond)
		<-timer.C
	}
	switch g.random.IntN(6) {
	case 0:
		g.endpoint.set(storm)
		pause()
		g.endpoint.set(fair)
		return "a storm of 429, "
	case 1:
		g.endpoint.set(burst)
		pause()
		g.endpoint.set(fair)
		return "a burst of 500 and 503, "
	case 2:
		addr := g.endpoint.addr
		g.endpoint.refuse(t)
		pause()
		g.endpoint.listen(t, addr)
		return "a refusing endpoint, "
	default:
		return ""
	}
}

func (g *game) until(t *testing.T, short int) func() bool {
	t.Helper()
	n, end := short, time.Now().Add(*limit)
	if long() {
		n = *rounds
	}
	return func() bool {
		if g.played < n && time.Now().After(end) {
			require.GreaterOrEqual(t, g.played, n, "the rounds took longer than -chaos.limit=%s", *limit)
		}
		return g.played < n
	}
}

func TestNothingIsLostOnSQLite(t *testing.T) {
	g := newGame(t, "SQLite", nil)
	for more := g.until(t, 4); more(); {
		what := g.sky(t) + "the server killed"
		g.round(t, what, func() {
			killed := time.Now()
			g.replicas[0].Kill(t)
			g.kills++
			next := g.endpoint.watch(g.unfinished())
			g.start(t, 0)
			g.next(t, next, killed, "SQLite: from the kill to the first call of the same process, restarted")
		})
	}
	g.check(t)
}

// unfinished are all samples, for whichever comes next.
func (g *game) unfinished() map[int64]bool {
	out := map[int64]bool{}
	for _, s := range g.seeds {
		out[s] = true
	}
	return out
}

// in are the samples of some ranges.
func (g *game) in(ranges [][2]int) map[int64]bool {
	out := map[int64]bool{}
	for _, r := range ranges {
		for i := r[0]; i < r[1]; i++ {
			out[g.seeds[i]] = true
		}
	}
	return out
}

// next measures when one of the watched samples is asked for, unless all is done.
func (g *game) next(t *testing.T, next <-chan time.Time, since time.Time, what string) {
	t.Helper()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(time.Minute); ; {
		select {
		case at := <-next:
			times.add(what, at.Sub(since))
			return
		case <-look.C:
			if ended(g.get(t, g.name)) {
				return
			}
			if time.Now().After(end) {
				require.FailNow(t, "nobody goes on", "%s\n%s", what, g.dump(t))
			}
		}
	}
}

// killAgain kills replicas and starts them again under their names.
func (g *game) killAgain(t *testing.T, which ...int) {
	t.Helper()
	var ranges [][2]int
	killed := time.Now()
	g.kills++
	for _, i := range which {
		g.replicas[i].Kill(t)
	}
	for _, i := range which {
		ranges = append(ranges, g.shardsOf(t, i)...)
	}
	next := g.endpoint.watch(g.in(ranges))
	for _, i := range which {
		g.start(t, i)
	}
	if len(ranges) > 0 {
		g.next(t, next, killed, "PostgreSQL: from the kill to the first call of its shards, same replica restarted")
	}
}

// lose kills a worker for good: the others take its shards over.
func (g *game) lose(t *testing.T, i int) {
	t.Helper()
	g.replicas[i].Kill(t)
	g.kills++
	killed := time.Now()
	ranges := g.shardsOf(t, i)
	next := g.endpoint.watch(g.in(ranges))
	if len(ranges) > 0 {
		g.next(t, next, killed, "PostgreSQL: from the kill to the first call of its shards by another replica")
	}
	g.start(t, i)
}

// restartDatabase takes the database away, for so long at least.
func (g *game) restartDatabase(t *testing.T, immediate bool, away time.Duration) {
	t.Helper()
	g.database.Kill(t, immediate)
	require.Eventually(t, func() bool { return g.ready(t, 1) == http.StatusServiceUnavailable }, 30*time.Second, 20*time.Millisecond,
		"a replica without its database is not ready")
	if away > 0 {
		<-time.NewTimer(away).C // the outage itself
	}
	g.database.Start(t)
	began := time.Now()
	kept := g.kept(t)
	over := false
	for end := began.Add(time.Minute); !over && g.kept(t) == kept; {
		over = ended(g.get(t, g.name)) // it may have been before
		require.True(t, time.Now().Before(end), "nothing is kept after the database came back\n%s", g.dumpUnless(t, end))
	}
	what := "PostgreSQL: from the database's return to the first sample kept"
	if away > 0 {
		what += fmt.Sprintf(", %s away", away)
	}
	if !over {
		times.add(what, time.Since(began))
	}
	require.Eventually(t, func() bool { return g.ready(t, 0) == http.StatusOK && g.ready(t, 1) == http.StatusOK }, 30*time.Second, 20*time.Millisecond)
}

// dumpUnless writes down what everybody does when the time is over.
func (g *game) dumpUnless(t *testing.T, end time.Time) string {
	t.Helper()
	if time.Now().Before(end) {
		return ""
	}
	return g.dump(t)
}

func TestNothingIsLostOnPostgres(t *testing.T) {
	g := newGame(t, "PostgreSQL", postgres.Own(t))
	events := []struct {
		what string
		do   func()
	}{
		{"a worker killed", func() { g.killAgain(t, 1+g.random.IntN(2)) }},
		{"the database killed", func() { g.restartDatabase(t, false, 0) }},
		{"the server killed", func() { g.killAgain(t, 0) }},
		{"the server and a worker killed", func() { g.killAgain(t, 0, 1+g.random.IntN(2)) }},
		{"the database stopped at once", func() { g.restartDatabase(t, true, 0) }},
	}
	for more := g.until(t, len(events)); more(); {
		// The short version has one of each.
		i := g.played
		switch {
		case long() && g.played%25 == 10:
			g.round(t, "a worker killed for good", func() { g.lose(t, 2) })
			continue
		case long() && g.played%20 == 15:
			g.round(t, "the database away", func() { g.restartDatabase(t, false, 35*time.Second) })
			continue
		case long():
			i = g.random.IntN(len(events))
		}
		g.round(t, g.sky(t)+events[i].what, events[i].do)
	}
	g.check(t)
}
