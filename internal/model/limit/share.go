package limit

import (
	"context"
	"errors"
	"time"
)

// ErrShareLost is the cause that ends a call whose process could not renew its
// share of the endpoint.
var ErrShareLost = errors.New("the share of the endpoint's limits could not be renewed")

// share is what a limiter may use of an endpoint that others call too. Its methods
// take a nil share for one that is not shared. The limiter's lock guards it.
type share struct {
	// concurrency is the most calls in flight; charged is how many the ledger
	// counts, which is more while calls go on that began under a greater share.
	concurrency, charged int
	requests, tokens     credit
	// life ends when the share does, and with it the calls in flight.
	life     context.Context
	end      context.CancelCauseFunc
	expiry   *time.Timer
	deadline time.Time
	// expired says that there was a share that could not be renewed.
	expired bool
	// starved says that a call waits for the share, and short that the last answer
	// did not bring more.
	starved, short bool
	// news says that there is something to tell, or to give back, at once.
	news bool
	// woken says for what the keeper has been woken since the last report: 1 for a
	// call that waits, 2 for news.
	woken int
	// after is when the ledger may have more of an allowance.
	after time.Duration
	// told is the end of the longest pause that the ledger knows of.
	told time.Time
	// opened says that the circuit breaker was opened; openings numbers the last
	// time that another process said so.
	opened   bool
	openings int64
	heard    bool
	// placed says that the search has begun near what others found, or by itself.
	placed    bool
	processes int
	wake      chan struct{}
}

// credit is what is left of an allowance by the minute.
type credit struct {
	bounded bool
	left    float64
	// used is what was taken since the last report, and before what was in the one
	// before.
	used, before float64
}

func (c *credit) take(n float64) {
	c.used += n
	if c.bounded {
		c.left -= n
	}
}

// allows says whether the share has room for one more call.
func (s *share) allows(now time.Time, inFlight, tokens int) bool {
	if s == nil {
		return true
	}
	ok := s.life != nil && now.Before(s.deadline) && inFlight < s.concurrency && (!s.requests.bounded || s.requests.left >= 1) &&
		(!s.tokens.bounded || s.tokens.left >= float64(tokens))
	s.starved = !ok
	return ok
}

// spend takes a call, or tokens that were not reckoned with.
func (s *share) spend(requests, tokens int) {
	if s == nil {
		return
	}
	s.requests.take(float64(requests))
	s.tokens.take(float64(tokens))
}

// watch wakes the keeper when there is something to report. The caller has the lock.
func (l *Limiter) watch() {
	s := l.share
	if s == nil {
		return
	}
	if l.queue.Len() == 0 {
		s.starved = false
	}
	s.news = s.opened || l.pausedUntil.After(s.told) || s.charged > max(s.concurrency, l.inFlight)
	why := 0
	switch {
	case s.news:
		why = 2
	case s.starved:
		why = 1
	}
	if why > s.woken {
		s.woken = why
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// watchAgain looks for something to report after a report has been answered.
func (l *Limiter) watchAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.share.woken = 0
	l.watch()
}

// pace is how long after a report the next one may follow that the clock does not ask for.
func (l *Limiter) pace() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s := l.share; {
	case s.news || s.life == nil && !s.expired && !s.short:
		return soon
	case s.short && s.concurrency > l.inFlight:
		return min(max(hungry, s.after), interval) // an allowance is what is missing
	case s.short && s.concurrency > 0:
		return interval
	default:
		return hungry
	}
}

// report says what the limiter has and wants, and whether anything calls.
func (l *Limiter) report(now time.Time) (r Report, busy bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.share
	waiting := l.queue.Len()
	// The search may double what it allows within a second or so.
	want := min(l.inFlight+waiting, max(4*l.search.limit, l.inFlight))
	r = Report{
		Bounds: l.cfg, Want: want, InFlight: l.inFlight, Opened: s.opened,
		// While the answer is awaited, calls may begin within the old share.
		Keeps: max(s.concurrency, l.inFlight),
	}
	if l.pausedUntil.After(s.told) {
		r.Pause = max(0, l.pausedUntil.Sub(now))
		s.told = l.pausedUntil
	}
	s.opened = false
	first := 0.0
	if e := l.queue.Front(); e != nil {
		w, _ := e.Value.(*waiter)
		first = float64(l.reckon(w.ask))
	}
	mean := l.typical
	if mean == 0 {
		mean = max(first, 1)
	}
	// What was used in the last second will be wanted again, beside what waits.
	r.Requests = s.requests.demand(float64(waiting), float64(min(waiting, 1)))
	r.Tokens = s.tokens.demand(float64(waiting)*mean, first)
	if bounded := l.inFlight+waiting > l.search.limit && s.concurrency >= l.search.limit; bounded {
		if !l.search.starting || l.search.ceiling > 0 {
			s.placed = true
		}
		r.Fresh = !s.placed
		if !l.search.starting {
			r.Limit = l.search.limit
		}
	}
	return r, l.inFlight+waiting > 0
}

func (c *credit) demand(waiting, first float64) Demand {
	d := Demand{Need: waiting + max(c.used, c.before), First: first, Left: c.left}
	if !c.bounded {
		d.Left = 0
	}
	c.before, c.used = c.used, 0
	return d
}

// unheard takes back what a report told, for the ledger may not have heard it.
func (l *Limiter) unheard(r Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Pause > 0 {
		l.share.told = time.Time{}
	}
	l.share.opened = l.share.opened || r.Opened
	l.share.short = true
}

// use puts an answer to a report of some time ago into effect.
func (l *Limiter) use(asked time.Time, r Report, g Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.share
	now := time.Now()
	left := asked.Add(Hold).Sub(now)
	if left <= 0 {
		return // too late to be of use
	}
	if s.life == nil {
		s.life, s.end = context.WithCancelCause(context.Background())
	}
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.deadline = asked.Add(Hold)
	life := s.life
	s.expiry = time.AfterFunc(left, func() { l.expire(life) })
	s.short = g.Concurrency <= s.concurrency && g.Requests.Amount == 0 && g.Tokens.Amount == 0
	s.concurrency, s.charged, s.processes, s.expired = g.Concurrency, g.Charged, g.Processes, false
	s.requests.add(r.Requests, g.Requests)
	s.tokens.add(r.Tokens, g.Tokens)
	s.after = max(g.Requests.After, g.Tokens.After)
	l.hear(now, r, g)
	l.search.part = g.Part
	switch {
	case g.Limit > 0 && !s.placed:
		s.placed = true
		l.search.place(g.Limit)
	case g.Shift != 0:
		l.search.place(l.search.limit + g.Shift)
	}
	l.pump()
}

// hear takes over what the endpoint told others.
func (l *Limiter) hear(now time.Time, r Report, g Grant) {
	s := l.share
	if until := now.Add(g.Pause); g.Pause > 0 && until.After(l.pausedUntil) {
		// It is known to the ledger, and not told again.
		l.pausedUntil, s.told = until, until
		if !l.refusing {
			l.refusing, l.refusingSince = true, now
		}
	}
	own := s.opened
	known := s.openings
	if r.Opened {
		known++
	}
	again := s.heard && g.Openings > known
	if again || !s.heard && !r.Opened && g.OpenFor > 0 {
		if l.breaker.IsOpen() {
			// A call of another process has tried the endpoint, and failed.
			l.failAll(ErrUnavailable)
		} else if l.trial == nil {
			l.breaker.Open()
		}
	}
	s.opened = own
	s.heard, s.openings = true, g.Openings
}

func (c *credit) add(d Demand, g Credit) {
	if !g.Bounded {
		c.bounded, c.left = false, 0
		return
	}
	// What was used too much has been settled.
	c.left += g.Amount + max(0, -d.Left)
	c.bounded = true
}

// expire ends the share that lives as long as life.
func (l *Limiter) expire(life context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.share; s.life == life {
		s.drop()
		s.expired = true
	}
}

// drop ends the share, and the calls in flight with it.
func (s *share) drop() {
	if s.life == nil {
		return
	}
	s.expiry.Stop()
	s.end(ErrShareLost)
	s.life, s.concurrency, s.charged = nil, 0, 0
	// What it had in hand is not to be used any more, but a debt stays one.
	s.requests.left, s.tokens.left = min(0, s.requests.left), min(0, s.tokens.left)
}

// giveUp ends the share, for good or until the next call, and returns the last
// report. Unless it is for good, a call that is there keeps the share.
func (l *Limiter) giveUp(forGood bool) (r Report, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !forGood && l.inFlight+l.queue.Len() > 0 {
		return Report{}, false
	}
	s := l.share
	r = Report{
		Bounds: l.cfg, InFlight: l.inFlight, Keeps: l.inFlight,
		Requests: Demand{Left: s.requests.left}, Tokens: Demand{Left: s.tokens.left},
	}
	s.drop()
	s.short, s.requests.left, s.tokens.left = false, 0, 0
	return r, true
}

// Context returns a context for the call of a permit, which also ends, with
// ErrShareLost as its cause, when the process loses its share of the endpoint. stop
// releases it.
func (p *Permit) Context(ctx context.Context) (bounded context.Context, stop func()) {
	if p == nil || p.life == nil {
		return ctx, func() {}
	}
	bounded, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(p.life, func() { cancel(ErrShareLost) })
	return bounded, func() {
		release()
		cancel(nil)
	}
}
