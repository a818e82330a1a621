package limit

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"
	"time"
)

// The times by which processes share an endpoint.
const (
	// Lease is how long what a process holds counts against the bounds after its
	// last word, by the clock of the account.
	Lease = 15 * time.Second
	// Hold is how long a process uses its share after it asked for it, by its own
	// monotonic clock. It is shorter than Lease by more than one step of the
	// database's clock can take from that.
	Hold = Lease - stride - time.Second
	// stride is the most that the clock of an account advances between two visits:
	// a step of the database's clock must not end everybody's lease at once.
	stride = 2 * time.Second
	// quantum is how long a place may be kept that others have to go without.
	quantum = 2 * time.Second
	// evenly is how often a process takes part in evening out what the searches found.
	evenly = 10 * time.Second
	// ahead is how much of its rate, in seconds, a process that waits may save up.
	ahead = 3
)

// ErrStale says that a later report of the process has been heard.
var ErrStale = errors.New("a later report has been heard")

// Account is what all processes that call one endpoint hold of its bounds. It is
// changed under a lock of whoever keeps it.
type Account struct {
	// Clock is the time of the account. It follows the database's clock and never
	// goes back, nor ahead by more than two seconds at once. Seen is what that clock
	// showed last.
	Clock time.Duration
	Seen  time.Time
	// Requests and Tokens are what may be used at once: what is free and what
	// processes have in hand, together. They grow at the rate up to the burst.
	Requests, Tokens float64
	// PausedUntil is when the endpoint may be called again.
	PausedUntil time.Duration
	// Openings counts how often a circuit breaker was opened, or kept open by a
	// call that tried; OpenedAt is when that was last.
	Openings int64
	OpenedAt time.Duration
	Members  map[string]*Member
}

// Member is what an account has of one process.
type Member struct {
	// Seq is the number of its last report, and Renewed when that came.
	Seq     int64
	Renewed time.Duration
	// Bounds are those of its settings; MaxWait is not used.
	Bounds Config
	// Want is how many calls it could have in flight, InFlight how many it had, and
	// Charged how many count as its own.
	Want, InFlight, Charged int
	// Turn is when it last got a place after it had none, or gave its last one back.
	Turn time.Duration
	// Limit is what its search found, 0 while it has found nothing or is not held
	// back by it. Shift is what it is to add to that. Evened is when that was last.
	Limit, Shift int
	Evened       time.Duration

	Requests, Tokens Purse
}

// Purse is what a process has of an allowance by the minute.
type Purse struct {
	// Need is what it could use in the next second, First the part that the call
	// that waits first takes at once.
	Need, First float64
	// Hand is what it has at most.
	Hand float64
	// Balance is what it may still draw: it grows at its share of the rate.
	Balance float64
	// Drawn is when it last drew.
	Drawn time.Duration
}

// Report is what a process says of itself, about once a second.
type Report struct {
	Process string
	// Seq grows with each report.
	Seq    int64
	Bounds Config
	// Want is how many calls could be in flight, InFlight how many are, and Keeps
	// how many may be until the answer comes.
	Want, InFlight, Keeps int
	Requests, Tokens      Demand
	// Limit is what the search has found, or 0; Fresh says that it has found
	// nothing yet and calls wait for it.
	Limit int
	Fresh bool
	// Pause is for how long the endpoint asked to be left alone, if that is news.
	Pause time.Duration
	// Opened says that the circuit breaker was opened since the last report.
	Opened bool
}

// Demand is what a process says of an allowance by the minute.
type Demand struct {
	// Need is what it could use in the next second, First the part of it that the
	// call that waits first takes at once.
	Need, First float64
	// Left is what it has in hand, or, below zero, what it used too much.
	Left float64
}

// Grant is what a process may use for as long as Hold after it asked.
type Grant struct {
	// Concurrency is the most calls in flight. Charged of them count against the
	// bound until the next report; more than Concurrency while calls go on that
	// began under a greater share.
	Concurrency, Charged int
	Requests, Tokens     Credit
	// Pause is how long the endpoint is to be left alone yet.
	Pause time.Duration
	// Openings numbers the last opening of a circuit breaker, and OpenFor is how
	// long that holds yet.
	Openings int64
	OpenFor  time.Duration
	// Limit, if not 0, is where a fresh search begins; Shift is what another one is
	// to add to what it found.
	Limit, Shift int
	// Part is the process's part of the calls in flight over all, in (0, 1].
	Part float64
	// Processes counts those that share the endpoint.
	Processes int
}

// Credit is what a process may use of an allowance, beside what it has in hand.
type Credit struct {
	// Bounded is false where no process has a bound.
	Bounded bool
	Amount  float64
	// After is when more may be had, about.
	After time.Duration
}

// Renew hears a report and returns what its process may use. now is the database's
// clock. At no time is more handed out than the bounds allow; what is in flight or
// in hand counts until it is reported gone, or its lease has ended.
func (a *Account) Renew(now time.Time, r Report) (Grant, error) {
	m, known := a.Members[r.Process]
	if known && r.Seq <= m.Seq {
		return Grant{}, ErrStale
	}
	passed := a.advance(now, r.Process)
	a.refill(passed)
	since := time.Second
	if known {
		since = a.Clock - m.Renewed
	} else {
		m = &Member{Turn: -1}
		if a.Members == nil {
			a.Members = map[string]*Member{}
		}
		a.Members[r.Process] = m
	}
	m.Seq, m.Renewed, m.Bounds = r.Seq, a.Clock, r.Bounds
	a.refill(0) // never more than the burst, under new bounds too
	keeps := max(r.Keeps, r.InFlight)
	if keeps == 0 && m.Charged > 0 {
		m.Turn = a.Clock
	}
	m.Want, m.InFlight, m.Charged = r.Want, r.InFlight, keeps
	a.Requests -= m.Requests.hear(r.Requests)
	a.Tokens -= m.Tokens.hear(r.Tokens)
	if r.Pause > 0 {
		a.PausedUntil = max(a.PausedUntil, a.Clock+r.Pause)
	}
	if r.Opened {
		a.Openings++
		a.OpenedAt = a.Clock
	}
	g := Grant{
		Concurrency: a.place(r.Process, m), Processes: len(a.Members),
		Pause: max(0, a.PausedUntil-a.Clock), Openings: a.Openings, Part: a.part(m),
	}
	if a.Openings > 0 {
		g.OpenFor = max(0, a.OpenedAt+breakerDelay-a.Clock)
	}
	g.Charged = m.Charged
	bounds := a.bounds()
	g.Requests = a.draw(a.Requests, bounds.RequestsPerMinute, r.Process, requestsOf, since)
	g.Tokens = a.draw(a.Tokens, bounds.TokensPerMinute, r.Process, tokensOf, since)
	g.Limit, g.Shift = a.even(r, m)
	return g, nil
}

// Leave gives back all that a process has: what it has left of its allowances is
// free again.
func (a *Account) Leave(now time.Time, r Report) {
	m, ok := a.Members[r.Process]
	if !ok || r.Seq <= m.Seq {
		return
	}
	a.refill(a.advance(now, r.Process))
	a.Requests -= m.Requests.hear(r.Requests)
	a.Tokens -= m.Tokens.hear(r.Tokens)
	delete(a.Members, r.Process)
}

// advance moves the clock, and forgets whoever has not been heard of for a lease,
// but for the one that reports. It returns by how much.
func (a *Account) advance(now time.Time, reporting string) time.Duration {
	var passed time.Duration
	if !a.Seen.IsZero() {
		passed = min(max(0, now.Sub(a.Seen)), stride)
	}
	a.Seen = now
	a.Clock += passed
	for name, m := range a.Members {
		if a.Clock-m.Renewed > Lease && name != reporting {
			// It may have used all that it had.
			a.Requests -= m.Requests.Hand
			a.Tokens -= m.Tokens.Hand
			delete(a.Members, name)
		}
	}
	return passed
}

// NewAccount returns the account of an endpoint that nobody has called yet.
func NewAccount() *Account {
	return &Account{Requests: math.Inf(1), Tokens: math.Inf(1), Members: map[string]*Member{}}
}

// bounds are the narrowest of all processes.
func (a *Account) bounds() Config {
	var c Config
	for _, m := range a.Members {
		c = c.Stricter(m.Bounds)
	}
	return c
}

// burstOf is how much of an allowance may be used at once.
func burstOf(perMinute int) float64 { return float64(max(1, perMinute/burst)) }

// refill lets the allowances grow for a time.
func (a *Account) refill(passed time.Duration) {
	b := a.bounds()
	grow := func(level float64, perMinute int) float64 {
		if perMinute == 0 {
			return level
		}
		return min(level+float64(perMinute)*passed.Minutes(), burstOf(perMinute))
	}
	a.Requests, a.Tokens = grow(a.Requests, b.RequestsPerMinute), grow(a.Tokens, b.TokensPerMinute)
}

// hear notes what a process has left, and returns what it has used.
func (p *Purse) hear(d Demand) (used float64) {
	used = max(0, p.Hand-d.Left)
	p.Need, p.First, p.Hand = d.Need, d.First, max(0, d.Left)
	return used
}

// place says how many calls of a process may be in flight.
func (a *Account) place(name string, m *Member) int {
	bound := a.bounds().MaxConcurrency
	free := bound
	for other, o := range a.Members {
		if other != name {
			free -= o.Charged
		}
	}
	target, before := a.target(bound, name)
	if m.Charged == 0 {
		free -= before
	}
	if target <= m.Charged {
		return target
	}
	share := max(m.Charged, min(target, free), 0)
	if m.Charged == 0 && share > 0 {
		m.Turn = a.Clock
	}
	m.Charged = share
	return share
}

// target is the fair part of a bound on calls in flight: what all processes want
// is served evenly, and of what is left each may have an equal part, while as much
// again stays free for one that is yet to come. Where there are too few places,
// before is how many are to get one first.
func (a *Account) target(bound int, name string) (target, before int) {
	names := slices.Sorted(maps.Keys(a.Members))
	wanting := 0
	for _, n := range names {
		if a.Members[n].Want > 0 {
			wanting++
		}
	}
	if wanting > bound {
		// There are fewer places than processes, so they take turns: whoever has had
		// one for less than a quantum keeps it, then the one comes that has gone without
		// for longest, and last those who have had theirs for long, the longest last.
		class := func(m *Member) int {
			held := a.Clock - m.Turn
			switch {
			case m.Charged == 0:
				return 1
			case held < quantum:
				return 0
			default:
				return 2
			}
		}
		slices.SortStableFunc(names, func(x, y string) int {
			p, q := a.Members[x], a.Members[y]
			if c := cmp.Compare(class(p), class(q)); c != 0 {
				return c
			}
			if class(p) == 1 {
				return cmp.Compare(p.Turn, q.Turn)
			}
			return cmp.Compare(q.Turn, p.Turn)
		})
		for _, n := range names[:slices.Index(names, name)] {
			if m := a.Members[n]; m.Charged == 0 && m.Want > 0 {
				before++
			}
		}
	}
	wants := make([]int, len(names))
	for i, n := range names {
		wants[i] = a.Members[n].Want
	}
	parts := divide(bound, wants)
	left := bound
	for _, p := range parts {
		left -= p
	}
	return parts[slices.Index(names, name)] + left/(len(names)+1), before
}

// divide shares out whole places fairly: nobody gets more than he wants, and
// nobody less than another unless he wants less, but for one place that goes to
// those who come first.
func divide(n int, wants []int) []int {
	parts := make([]int, len(wants))
	order := make([]int, len(wants))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return wants[i] - wants[j] })
	for len(order) > 0 {
		even := n / len(order)
		if i := order[0]; wants[i] <= even {
			parts[i] = wants[i]
			n -= wants[i]
			order = order[1:]
			continue
		}
		slices.Sort(order)
		for k, i := range order {
			parts[i] = even
			if k < n%len(order) {
				parts[i]++
			}
		}
		break
	}
	return parts
}

// fairRate is the i-th fair part of a rate, as divide has it for places; of what
// nobody needs, each has an equal part.
func fairRate(rate float64, needs []float64, i int) float64 {
	rest, left := slices.Clone(needs), rate
	slices.Sort(rest)
	for len(rest) > 0 {
		even := left / float64(len(rest))
		if rest[0] > even {
			return min(needs[i], even)
		}
		left -= rest[0]
		rest = rest[1:]
	}
	return needs[i] + left/float64(len(needs))
}

func requestsOf(m *Member) *Purse { return &m.Requests }
func tokensOf(m *Member) *Purse   { return &m.Tokens }

// draw gives a process what it may use of an allowance. level is what is free or in
// somebody's hand. Where a call takes more than can ever be there, it may be made
// when all is there, and the debt is waited for.
func (a *Account) draw(level float64, perMinute int, name string, of func(*Member) *Purse, since time.Duration) Credit {
	if perMinute == 0 {
		return Credit{}
	}
	names := slices.Sorted(maps.Keys(a.Members))
	needs := make([]float64, len(names))
	p := of(a.Members[name])
	free, alone, before := level, true, 0
	for i, n := range names {
		o := of(a.Members[n])
		needs[i] = 60 * o.Need
		if n == name || o.Hand >= o.First {
			free -= o.Hand // less than a call takes is of no use to who has it
		}
		if n != name && o.Need > o.Hand {
			alone = false
			if o.Balance >= 1 && o.Drawn < p.Drawn {
				before++
			}
		}
	}
	most := burstOf(perMinute)
	rate := fairRate(float64(perMinute), needs, slices.Index(names, name)) / 60
	p.Balance = min(p.Balance+rate*since.Seconds(), max(1, rate*ahead, min(p.First, most)))
	// Whoever may draw, and last did longer ago, comes first.
	may := min(free-float64(before), p.Balance)
	if alone {
		may = free
	}
	amount := math.Floor(max(0, min(may, p.Need-p.Hand)))
	if p.Hand+amount < p.First {
		// Not enough for a call. What takes more than there can ever be may begin when
		// all is there.
		amount = 0
		if before == 0 && free+p.Hand >= min(p.First, most) && (alone || p.Balance >= min(p.First, most)) {
			amount = math.Ceil(p.First - p.Hand)
		}
	}
	if amount > 0 {
		p.Drawn = a.Clock
	}
	p.Hand += amount
	p.Balance = max(p.Balance-amount, -most)
	unit := max(1, min(p.First, most))
	wait := (unit - (free - amount)) / (float64(perMinute) / 60)
	if !alone {
		wait = max(wait, (unit-p.Balance)/rate)
	}
	return Credit{Bounded: true, Amount: amount, After: time.Duration(min(max(0, wait), Lease.Seconds()) * float64(time.Second))}
}

// part is how much of all calls in flight are the process's, or will be when it has
// just begun.
func (a *Account) part(m *Member) float64 {
	mine := m.InFlight
	if mine == 0 {
		mine = max(1, m.Want)
	}
	sum := mine
	for _, o := range a.Members {
		if o != m {
			sum += o.InFlight
		}
	}
	return float64(mine) / float64(sum)
}

// even keeps what the searches of all processes have found in equal parts. What
// one is given another one gives, so the sum stays as it was found.
func (a *Account) even(r Report, m *Member) (limit, shift int) {
	m.Limit = r.Limit
	if m.Limit > 0 {
		shift = max(m.Shift, 1-m.Limit)
		m.Limit += shift
	}
	m.Shift = 0
	sum, n := 0, 0
	var others []*Member
	for _, name := range slices.Sorted(maps.Keys(a.Members)) {
		if o := a.Members[name]; o != m && o.Limit > 0 {
			others = append(others, o)
			sum += o.found()
			n++
		}
	}
	switch {
	case n == 0:
	case r.Fresh:
		for _, o := range others {
			part := o.found() / (n + 1)
			o.Shift -= part
			limit += part
		}
		limit = max(1, limit)
		m.Limit, m.Evened = limit, a.Clock
	case m.Limit > 0 && a.Clock-m.Evened >= evenly:
		mean := float64(sum+m.Limit) / float64(n+1)
		mine := mean - float64(m.Limit)
		if math.Abs(mine) < max(1, mean/5) {
			break
		}
		// The one that is farthest to the other side.
		other := slices.MaxFunc(others, func(x, y *Member) int {
			return cmp.Compare((float64(x.found())-mean)*mine, (float64(y.found())-mean)*mine)
		})
		theirs := math.Abs(float64(other.found()) - mean)
		move := int(min(math.Abs(mine), theirs))
		if mine < 0 {
			move = -move
		}
		other.Shift -= move
		m.Limit += move
		shift += move
		m.Evened, other.Evened = a.Clock, a.Clock
	}
	return limit, shift
}

// found is what the search of a process stands on when it has heard of the shift.
func (m *Member) found() int { return max(1, m.Limit+m.Shift) }
