package limit

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPlacesAreDividedByDemand(t *testing.T) {
	for _, tt := range []struct {
		n     int
		wants []int
		want  []int
	}{
		{10, []int{}, []int{}},
		{10, []int{0}, []int{0}},
		{10, []int{100}, []int{10}},
		{10, []int{3, 100}, []int{3, 7}},
		{10, []int{100, 3, 100}, []int{4, 3, 3}},
		{10, []int{100, 100, 100}, []int{4, 3, 3}},
		{1, []int{5, 5, 0}, []int{1, 0, 0}},
		{0, []int{5}, []int{0}},
	} {
		require.Equal(t, tt.want, divide(tt.n, tt.wants), "%d among %v", tt.n, tt.wants)
	}
}

func TestDividingIsFairAndWastesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "n")
		wants := rapid.SliceOfN(rapid.IntRange(0, 100), 1, 12).Draw(t, "wants")
		parts := divide(n, wants)
		sum, wanted := 0, 0
		for i, p := range parts {
			require.LessOrEqual(t, p, wants[i])
			sum += p
			wanted += wants[i]
			for j, q := range parts {
				if p < wants[i] {
					require.LessOrEqual(t, q, p+1, "%d gets more than %d, who is not served", j, i)
				}
			}
		}
		require.Equal(t, min(n, wanted), sum)
		needs := make([]float64, len(wants))
		for i, w := range wants {
			needs[i] = float64(w)
		}
		rates := 0.0
		for i := range needs {
			rates += fairRate(float64(n), needs, i)
		}
		require.InDelta(t, n, rates, 1e-6)
	})
}

// world is a database's account and the processes that share it, in which reports
// and answers take their time or get lost.
type world struct {
	t *rapid.T
	// now is the true time, skew what the database's clock is off by.
	now, skew time.Duration
	stepped   time.Duration
	account   *Account
	processes map[string]*process
	born      int
	// used has the true times of all requests.
	used []time.Duration
}

type process struct {
	name     string
	bounds   Config
	seq      int64
	cap      int
	inFlight int
	left     float64
	// deadline is when the share ends; none before the first answer.
	deadline time.Duration
	want     int
	// pending is a report under way, asked when; lost ones may be heard later.
	pending *Report
	asked   time.Duration
	lost    []Report
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *world) clock() time.Time { return epoch.Add(w.now + w.skew) }

func (w *world) some() *process {
	names := slices.Sorted(maps.Keys(w.processes))
	if len(names) == 0 {
		w.t.Skip("nobody")
	}
	return w.processes[rapid.SampledFrom(names).Draw(w.t, "process")]
}

func (w *world) join(c Config) {
	if len(w.processes) >= 6 {
		return
	}
	w.born++
	name := fmt.Sprint("p", w.born)
	w.processes[name] = &process{name: name, bounds: c, want: rapid.IntRange(0, 12).Draw(w.t, "want")}
}

func (w *world) ask(p *process) {
	if p.pending != nil {
		return
	}
	p.seq++
	p.pending = &Report{
		Process: p.name, Seq: p.seq, Bounds: p.bounds, Want: max(p.want, p.inFlight), InFlight: p.inFlight, Keeps: max(p.cap, p.inFlight),
		Requests: Demand{Need: float64(p.want), First: 1, Left: p.left},
	}
	p.asked = w.now
}

// answer has the account hear a report; the answer may get lost.
func (w *world) answer(p *process, lost bool) {
	if p.pending == nil {
		return
	}
	r := *p.pending
	p.pending = nil
	if lost {
		p.lost = append(p.lost, r)
		return
	}
	g, err := w.account.Renew(w.clock(), r)
	require.NoError(w.t, err)
	if p.asked+Hold <= w.now {
		return
	}
	p.deadline = p.asked + Hold
	p.cap = g.Concurrency
	if g.Requests.Bounded {
		p.left += g.Requests.Amount
	}
}

func (w *world) call(p *process) {
	if p.inFlight < p.cap && p.left >= 1 && w.now < p.deadline {
		p.inFlight++
		p.left--
		w.used = append(w.used, w.now)
	}
}

func (w *world) pass(d time.Duration) {
	w.now += d
	for _, p := range w.processes {
		if w.now >= p.deadline {
			p.cap, p.inFlight, p.left = 0, 0, 0
		}
	}
}

func (w *world) check() {
	sum, caps := 0, 0
	for _, p := range w.processes {
		sum += p.inFlight
		caps += max(p.cap, p.inFlight)
	}
	bound := 4
	require.LessOrEqual(w.t, sum, bound, "calls in flight")
	require.LessOrEqual(w.t, caps, bound, "calls that may be in flight")
	from := w.now - time.Minute
	in := 0
	for _, u := range w.used {
		if u > from {
			in++
		}
	}
	require.LessOrEqual(w.t, in, 30+30/burst, "requests within a minute")
}

// Whatever happens, no bound is exceeded: processes that come, go and crash, reports
// and answers that get lost or come late, and a database whose clock is set.
func TestNoBoundIsEverExceeded(t *testing.T) {
	c := Config{MaxConcurrency: 4, RequestsPerMinute: 30}
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, account: NewAccount(), processes: map[string]*process{}, stepped: -time.Hour}
		w.join(c)
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) { w.t = t; w.join(c) },
			"want": func(t *rapid.T) { w.t = t; w.some().want = rapid.IntRange(0, 12).Draw(t, "want") },
			"ask":  func(t *rapid.T) { w.t = t; w.ask(w.some()) },
			"answer": func(t *rapid.T) {
				w.t = t
				w.answer(w.some(), rapid.IntRange(0, 9).Draw(t, "luck") == 0)
			},
			"all report": func(t *rapid.T) {
				w.t = t
				for _, name := range slices.Sorted(maps.Keys(w.processes)) {
					w.ask(w.processes[name])
					w.answer(w.processes[name], false)
				}
			},
			"a late report": func(t *rapid.T) {
				w.t = t
				p := w.some()
				for _, r := range p.lost {
					if r.Seq < p.seq && p.pending == nil {
						_, _ = w.account.Renew(w.clock(), r)
					}
				}
				p.lost = nil
			},
			"call": func(t *rapid.T) {
				w.t = t
				p := w.some()
				for range rapid.IntRange(1, 4).Draw(t, "calls") {
					w.call(p)
				}
			},
			"end": func(t *rapid.T) {
				w.t = t
				p := w.some()
				p.inFlight = rapid.IntRange(0, p.inFlight).Draw(t, "left")
			},
			"pass": func(t *rapid.T) {
				w.t = t
				w.pass(time.Duration(rapid.Int64Range(1, int64(3*time.Second)).Draw(t, "time")))
			},
			"pass long": func(t *rapid.T) {
				w.t = t
				w.pass(time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "time")))
			},
			"crash": func(t *rapid.T) { w.t = t; delete(w.processes, w.some().name) },
			"leave": func(t *rapid.T) {
				w.t = t
				p := w.some()
				if p.pending != nil || p.inFlight > 0 {
					return
				}
				w.account.Leave(w.clock(), Report{Process: p.name, Seq: p.seq + 1, Requests: Demand{Left: p.left}})
				delete(w.processes, p.name)
			},
			"the clock is set": func(t *rapid.T) {
				w.t = t
				// Ahead no more than once a lease.
				d := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "step"))
				if d > 0 && w.now-w.stepped < Lease {
					return
				}
				if d > 0 {
					w.stepped = w.now
				}
				w.skew += d
			},
			"": func(t *rapid.T) { w.t = t; w.check() },
		})
	})
}

// With all processes reporting each second, everybody who wants something is served
// within bounded rounds, and places do not stay free that somebody wants.
func TestEverybodyIsServedAndNothingIsWasted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(1, 12).Draw(t, "bound")
		n := rapid.IntRange(1, 9).Draw(t, "processes")
		c := Config{MaxConcurrency: bound, RequestsPerMinute: rapid.IntRange(1, 600).Draw(t, "rate")}
		long := rapid.IntRange(1, 12).Draw(t, "longest call") // quarters of a second
		w := &world{t: t, account: NewAccount(), processes: map[string]*process{}}
		served, drawn := map[string]int{}, map[string]float64{}
		ends := map[string][]int{}
		for i := range n {
			name := fmt.Sprint("p", i)
			w.processes[name] = &process{name: name, bounds: c, want: rapid.IntRange(1, 20).Draw(t, "want")}
		}
		wanted := 0
		for _, p := range w.processes {
			wanted += p.want
		}
		// A turn takes a quantum, a call and two reports.
		round := 8 + long + 2
		minutes := 3 * n * 60 * 4 / c.RequestsPerMinute
		total := max(6*round*n, minutes)
		busy := 0
		for step := range total {
			in := 0
			for i := range n {
				p := w.processes[fmt.Sprint("p", i)]
				ends[p.name] = slices.DeleteFunc(ends[p.name], func(e int) bool { return e <= step })
				p.inFlight = len(ends[p.name])
				w.ask(p)
				before := p.left
				w.answer(p, false)
				for range int(p.left - before) {
					w.used = append(w.used, w.now)
				}
				drawn[p.name] += p.left - before
				p.left = 0 // all is used at once
				for p.inFlight < min(p.cap, p.want) {
					ends[p.name] = append(ends[p.name], step+1+rapid.IntRange(0, long-1).Draw(t, "length"))
					p.inFlight++
					served[p.name]++
				}
				in += p.inFlight
			}
			require.LessOrEqual(t, in, bound)
			w.used = slices.DeleteFunc(w.used, func(u time.Duration) bool { return u <= w.now-time.Minute })
			require.LessOrEqual(t, len(w.used), c.RequestsPerMinute+max(1, c.RequestsPerMinute/burst), "requests within a minute")
			busy += in
			w.pass(250 * time.Millisecond)
		}
		for name := range w.processes {
			require.Positive(t, served[name], "%s got no place in %d steps: %v", name, total, served)
			require.Positive(t, drawn[name], "%s got no request in %d steps: %v", name, total, drawn)
		}
		require.Greater(t, float64(busy), 0.7*float64(total*min(bound, wanted)), "places in use")
	})
}

func TestTheNarrowerBoundHolds(t *testing.T) {
	a := NewAccount()
	report := func(name string, c Config) Grant {
		g, err := a.Renew(epoch, Report{Process: name, Seq: 1, Bounds: c, Want: 100, Requests: Demand{Need: 1000, First: 1}})
		require.NoError(t, err)
		return g
	}
	g := report("a", Config{MaxConcurrency: 20})
	require.Equal(t, 20, g.Concurrency)
	require.False(t, g.Requests.Bounded)
	g = report("b", Config{MaxConcurrency: 10, RequestsPerMinute: 120})
	require.Zero(t, g.Concurrency, "a has them all yet")
	require.Equal(t, Credit{Bounded: true, Amount: 1}, Credit{Bounded: true, Amount: g.Requests.Amount}, "a wants as much")
	g, err := a.Renew(epoch, Report{Process: "a", Seq: 2, Bounds: Config{MaxConcurrency: 20}, Want: 100, InFlight: 20, Keeps: 20})
	require.NoError(t, err)
	require.Equal(t, 5, g.Concurrency)
	require.Equal(t, 20, g.Charged)
	require.True(t, g.Requests.Bounded, "a bound of another process holds too")
}

func TestALateReportIsNotHeard(t *testing.T) {
	a := NewAccount()
	_, err := a.Renew(epoch, Report{Process: "a", Seq: 2, Bounds: Config{MaxConcurrency: 3}, Want: 3})
	require.NoError(t, err)
	_, err = a.Renew(epoch, Report{Process: "a", Seq: 1, Bounds: Config{MaxConcurrency: 3}})
	require.ErrorIs(t, err, ErrStale)
	require.Equal(t, 3, a.Members["a"].Charged)
	a.Leave(epoch, Report{Process: "a", Seq: 1})
	require.Contains(t, a.Members, "a")
	a.Leave(epoch, Report{Process: "a", Seq: 3})
	require.NotContains(t, a.Members, "a")
}
