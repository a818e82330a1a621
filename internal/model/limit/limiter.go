// Package limit decides how many calls an endpoint gets at once, and when.
//
// A Limiter belongs to one endpoint and is shared by everybody in the process
// who calls it. Calls queue for it in the order in which they came; a call that
// was refused for the rate goes to the front again. What holds a call back:
//
//   - the number of calls in flight, which search.go moves towards the knee of the
//     endpoint: the point where more calls at once stop raising throughput and
//     only raise latency;
//   - a refusal for the rate (429, 529, or 503 with a time): the endpoint is left
//     alone for the time that it named, or for a time that doubles from 250 ms to
//     2 s, and then asked by one call before the others follow. The number of
//     calls in flight is halved, once for all that were refused together;
//   - fixed bounds on calls in flight, requests and tokens a minute;
//   - a circuit breaker: after ten calls in a row that found the endpoint not
//     available, one call a second tries it, and its failure is the failure of all
//     that wait, so that a dead endpoint is neither hammered nor waited for.
//
// docs/decisions/0022-adaptive-concurrency.md has the reasons and measurements.
package limit

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"golang.org/x/time/rate"
)

// The defaults of Config.
const (
	DefaultMaxConcurrency = 1024
	DefaultMaxWait        = 10 * time.Minute
)

const (
	// startLimit is how many calls are in flight before anything is known.
	startLimit = 8
	// pauseBase and pauseCap bound the pause after a refusal without a time.
	pauseBase = 250 * time.Millisecond
	pauseCap  = 2 * time.Second
	// alive is how long a call that tries a refusing endpoint may run before it
	// counts as accepted: refusals come at once, and replies may take minutes.
	alive = time.Second
	// breakerFailures in a row open the breaker for breakerDelay.
	breakerFailures = 10
	breakerDelay    = time.Second
	// burst is the part of a minute's allowance that may be used at once.
	burst = 12
	// guessedTokens of a reply are reckoned with before any reply is known.
	guessedTokens = 256
)

// Config bounds the calls to one endpoint. The zero value has the defaults.
type Config struct {
	// MaxConcurrency bounds the calls in flight. Default 1024.
	MaxConcurrency int
	// RequestsPerMinute and TokensPerMinute bound the rates; 0 sets no bound.
	// Tokens are those of prompt and reply together: reckoned when a call begins
	// and put right when it ends.
	RequestsPerMinute, TokensPerMinute int
	// MaxWait is how long one call is patient with an endpoint that refuses for
	// the rate. Default 10 min.
	MaxWait time.Duration
}

// Stricter returns the narrower of both bounds in every field.
func (c Config) Stricter(d Config) Config {
	return Config{
		MaxConcurrency:    narrower(c.MaxConcurrency, d.MaxConcurrency),
		RequestsPerMinute: narrower(c.RequestsPerMinute, d.RequestsPerMinute),
		TokensPerMinute:   narrower(c.TokensPerMinute, d.TokensPerMinute),
		MaxWait:           narrower(c.MaxWait, d.MaxWait),
	}
}

func narrower[T int | time.Duration](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// ErrThrottled is why a call is not made: the endpoint refuses for the rate, and
// has done so, or says that it will, for longer than MaxWait.
var ErrThrottled = errors.New("the endpoint refuses for the rate")

// ErrUnavailable is why a call is not made: the endpoint was not available many
// times in a row, and a call that tried it again has just failed too.
var ErrUnavailable = errors.New("the endpoint is not available")

// Limiter is the queue of one endpoint. It is safe for concurrent use and needs
// no closing; a timer runs only while calls wait for a time.
type Limiter struct {
	cfg Config

	mu       sync.Mutex
	search   *search
	inFlight int
	queue    list.List // of *waiter
	timer    *time.Timer
	requests *bucket
	tokens   *bucket
	// typical is a moving mean of the tokens of a call, 0 before the first.
	typical float64

	// pausedUntil is when the endpoint may be called again.
	pausedUntil time.Time
	// refusing says that the last word of the endpoint was a refusal, since when,
	// and refusals counts the tries in a row that met one.
	refusing      bool
	refusingSince time.Time
	refusals      int
	// probe is the call that tries a refusing endpoint, or nil.
	probe   *Permit
	breaker circuitbreaker.CircuitBreaker[any]
	// trial is the call that tries an endpoint behind an open breaker, or nil.
	trial *Permit
	// share is what other processes leave of the bounds, or nil.
	share *share
}

// New returns a limiter.
func New(cfg Config) *Limiter {
	if cfg.MaxConcurrency <= 0 {
		cfg.MaxConcurrency = DefaultMaxConcurrency
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = DefaultMaxWait
	}
	return &Limiter{
		cfg: cfg, search: newSearch(cfg.MaxConcurrency),
		requests: newBucket(cfg.RequestsPerMinute), tokens: newBucket(cfg.TokensPerMinute),
		breaker: circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(breakerFailures).WithSuccessThreshold(1).WithDelay(breakerDelay).Build(),
	}
}

// Ask is what a call tells of itself.
type Ask struct {
	// InputTokens is what the prompt takes, about; it matters where tokens are bounded.
	InputTokens int
	// RefusedSince is when this call was first refused for the rate. A call that
	// has it goes to the front of the queue.
	RefusedSince time.Time
}

type waiter struct {
	ask   Ask
	since time.Time
	ready chan struct{}
	// permit or err is set before ready is closed.
	permit *Permit
	err    error
}

// Acquire waits until a call may be made. It returns ErrThrottled or
// ErrUnavailable, possibly wrapped, when the call is not to be made, and ctx.Err()
// when ctx ends first. The permit has to be ended by exactly one of its methods.
func (l *Limiter) Acquire(ctx context.Context, ask Ask) (*Permit, error) {
	w := &waiter{ask: ask, since: time.Now(), ready: make(chan struct{})}
	l.mu.Lock()
	var place *list.Element
	if ask.RefusedSince.IsZero() {
		place = l.queue.PushBack(w)
	} else {
		place = l.queue.PushFront(w)
	}
	l.pump()
	l.mu.Unlock()
	select {
	case <-w.ready:
		return w.permit, w.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.ready:
		if w.permit != nil {
			l.inFlight--
			l.forget(w.permit)
			l.pump()
		}
	default:
		l.queue.Remove(place)
		l.pump()
	}
	return nil, ctx.Err()
}

// pump lets calls go as long as nothing holds back the first one, and sets the
// timer to when the time alone will have changed that. The caller has the lock.
func (l *Limiter) pump() {
	now := time.Now()
	l.settle(now)
	l.impatient(now)
	var wake time.Time
	for l.queue.Len() > 0 {
		first := l.queue.Front()
		w, _ := first.Value.(*waiter)
		free, at := l.free(now, w.ask)
		if !free {
			wake = at
			break
		}
		l.queue.Remove(first)
		w.permit = l.grant(now, w.ask)
		close(w.ready)
	}
	l.rearm(now, wake)
	l.watch()
}

// settle takes a call that tries a refusing endpoint, and still runs, for accepted.
func (l *Limiter) settle(now time.Time) {
	if l.probe != nil && now.Sub(l.probe.start) >= alive {
		l.accepted()
	}
	if l.trial != nil && now.Sub(l.trial.start) >= alive {
		l.trial = nil
		l.breaker.Close()
	}
}

func (l *Limiter) accepted() {
	l.refusing, l.refusals, l.probe = false, 0, nil
}

// free says whether a call may begin now, and if only the time is in its way,
// until when.
func (l *Limiter) free(now time.Time, ask Ask) (free bool, at time.Time) {
	switch {
	case l.inFlight >= l.search.limit:
		return false, time.Time{}
	case now.Before(l.pausedUntil):
		return false, l.pausedUntil
	case l.refusing && l.probe != nil:
		return false, l.probe.start.Add(alive)
	case l.trial != nil:
		return false, l.trial.start.Add(alive)
	case !l.share.allows(now, l.inFlight, l.reckon(ask)):
		return false, time.Time{}
	}
	if wait := max(l.requests.wait(now, 1), l.tokens.wait(now, l.reckon(ask))); wait > 0 {
		return false, now.Add(wait)
	}
	if !l.breaker.TryAcquirePermit() {
		return false, now.Add(max(l.breaker.RemainingDelay(), time.Millisecond))
	}
	return true, time.Time{}
}

// reckon is how many tokens a call will take, as far as can be told before.
func (l *Limiter) reckon(ask Ask) int {
	if l.typical > 0 {
		return int(l.typical)
	}
	return ask.InputTokens + guessedTokens
}

func (l *Limiter) grant(now time.Time, ask Ask) *Permit {
	l.inFlight++
	p := &Permit{limiter: l, start: now, reckoned: l.reckon(ask)}
	l.requests.take(now, 1)
	l.tokens.take(now, p.reckoned)
	if l.share != nil {
		l.share.spend(1, p.reckoned)
		p.life = l.share.life
	}
	p.epoch, p.seq = l.search.started(l.inFlight)
	if l.refusing {
		l.probe = p
	}
	if l.breaker.IsHalfOpen() {
		l.trial = p
	}
	return p
}

// impatient gives up on the calls that have waited for a refusing endpoint, or
// would have to, beyond their patience.
func (l *Limiter) impatient(now time.Time) {
	if !l.refusing {
		return
	}
	for e := l.queue.Front(); e != nil; {
		next := e.Next()
		w, _ := e.Value.(*waiter)
		if end := l.patience(w); !now.Before(end) || l.pausedUntil.After(end) {
			l.queue.Remove(e)
			w.err = fmt.Errorf("%w: for more than %v", ErrThrottled, l.cfg.MaxWait)
			close(w.ready)
		}
		e = next
	}
}

// patience is when a call gives up on a refusing endpoint.
func (l *Limiter) patience(w *waiter) time.Time {
	from := w.ask.RefusedSince
	if from.IsZero() {
		from = w.since
		if from.Before(l.refusingSince) {
			from = l.refusingSince
		}
	}
	return from.Add(l.cfg.MaxWait)
}

// rearm sets the timer to the first moment at which the time alone changes something.
func (l *Limiter) rearm(now, wake time.Time) {
	if l.refusing {
		for e := l.queue.Front(); e != nil; e = e.Next() {
			w, _ := e.Value.(*waiter)
			if end := l.patience(w); wake.IsZero() || end.Before(wake) {
				wake = end
			}
		}
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if wake.IsZero() || l.queue.Len() == 0 {
		return
	}
	l.timer = time.AfterFunc(max(wake.Sub(now), 0), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.pump()
	})
}

// pause leaves the endpoint alone for as long as it asked for, or for a time that
// grows with the tries that were refused.
func (l *Limiter) pause(now time.Time, asked time.Duration) {
	if asked <= 0 {
		asked = min(pauseBase<<min(l.refusals, 10), pauseCap)
	}
	if until := now.Add(asked); until.After(l.pausedUntil) {
		l.pausedUntil = until
	}
}

// Config returns the bounds, with their defaults.
func (l *Limiter) Config() Config { return l.cfg }

// Stats is the state of a limiter.
type Stats struct {
	// Limit is the number of calls that may be in flight now; InFlight and Waiting
	// are those that are in flight and that wait.
	Limit, InFlight, Waiting int
	// Refusing says that the endpoint's last word was a refusal for the rate.
	Refusing bool
	// Open says that the circuit breaker keeps calls back.
	Open bool
	// PausedUntil is when the endpoint will be called again, or zero.
	PausedUntil time.Time
	// Share is the most calls in flight that other processes leave, Processes how
	// many share the endpoint, and Expired says that the share could not be renewed
	// and nothing is called. Share and Processes are 0 where nobody else calls.
	Share, Processes int
	Expired          bool
}

// Stats returns the state at this moment.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Limit: l.search.limit, InFlight: l.inFlight, Waiting: l.queue.Len(),
		Refusing: l.refusing, Open: !l.breaker.IsClosed(),
	}
	if l.share != nil {
		s.Share, s.Processes, s.Expired = l.share.concurrency, l.share.processes, l.share.expired
	}
	if l.pausedUntil.After(time.Now()) {
		s.PausedUntil = l.pausedUntil
	}
	return s
}

// bucket is an allowance by the minute; nil has no bound.
type bucket struct{ rate *rate.Limiter }

func newBucket(perMinute int) *bucket {
	if perMinute <= 0 {
		return nil
	}
	return &bucket{rate.NewLimiter(rate.Limit(float64(perMinute)/60), max(1, perMinute/burst))}
}

// wait is how long until n can be taken. More than the burst can never be there,
// and is given when the bucket is full; the debt is waited for afterwards.
func (b *bucket) wait(now time.Time, n int) time.Duration {
	if b == nil {
		return 0
	}
	missing := float64(min(n, b.rate.Burst())) - b.rate.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	// Rounded up, so that a timer is never a hair early.
	return time.Duration(missing/float64(b.rate.Limit())*float64(time.Second)) + time.Microsecond
}

func (b *bucket) take(now time.Time, n int) {
	for b != nil && n > 0 {
		part := min(n, b.rate.Burst())
		b.rate.ReserveN(now, part)
		n -= part
	}
}
