package limit

import (
	"context"
	"time"
)

// Permit is the right to make one call. It is ended by exactly one of its methods.
type Permit struct {
	limiter  *Limiter
	start    time.Time
	reckoned int
	// epoch and seq place the call in the search for the knee.
	epoch, seq int
	// life ends with the share of the endpoint under which the call began; nil
	// where it is not shared.
	life context.Context
}

// Usage is what a call that succeeded took, in tokens; 0 where it is not known.
type Usage struct{ Input, Output int64 }

// Done ends a call that was answered. What it took puts the allowance right, and
// the length of the reply is what its latency is measured against.
func (p *Permit) Done(u Usage) {
	p.end(func(l *Limiter, now time.Time) {
		l.answered(p)
		if total := u.Input + u.Output; total > 0 {
			// Allowance cannot be given back, so the estimate keeps a little low.
			l.tokens.take(now, max(0, int(total)-p.reckoned))
			l.share.spend(0, max(0, int(total)-p.reckoned))
			if l.typical == 0 {
				l.typical = float64(total)
			}
			l.typical += (float64(total) - l.typical) / 16
		}
		l.search.finished(p.epoch, p.seq, float64(u.Output), now.Sub(p.start))
	})
}

// Throttled ends a call that was refused for the rate. retryAfter is the time that
// the endpoint named for the next call, or 0; it holds for every call.
func (p *Permit) Throttled(retryAfter time.Duration) {
	p.end(func(l *Limiter, now time.Time) {
		l.alive(p)
		if !l.refusing {
			l.refusing, l.refusingSince = true, now
		}
		if l.probe == p {
			l.probe = nil
			l.refusals++
			l.search.lost(p.epoch, p.seq)
			if l.inFlight == 0 {
				l.search.innocent()
			}
		} else {
			l.search.overloaded(p.epoch)
		}
		l.pause(now, retryAfter)
	})
}

// Unavailable ends a call that found the endpoint not reachable or failing. With
// overload, the endpoint said that it has too much to do.
func (p *Permit) Unavailable(overload bool) {
	p.end(func(l *Limiter, now time.Time) {
		l.search.lost(p.epoch, p.seq)
		if l.probe == p {
			l.probe = nil // the next call tries
		}
		if overload {
			l.pause(now, 0)
			l.search.overloaded(p.epoch)
		}
		l.breaker.RecordFailure()
		if l.trial == p {
			l.trial = nil
			l.failAll(ErrUnavailable)
		}
	})
}

// Slow ends a call that got no whole reply in time.
func (p *Permit) Slow() {
	p.end(func(l *Limiter, _ time.Time) {
		l.forget(p)
		l.search.overloaded(p.epoch)
	})
}

// Failed ends a call whose failure says nothing of how busy the endpoint is.
func (p *Permit) Failed() {
	p.end(func(l *Limiter, _ time.Time) {
		l.answered(p)
		l.search.lost(p.epoch, p.seq)
	})
}

// Drop ends a call that its caller gave up.
func (p *Permit) Drop() {
	p.end(func(l *Limiter, _ time.Time) { l.forget(p) })
}

func (p *Permit) end(tell func(*Limiter, time.Time)) {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	tell(l, time.Now())
	l.pump()
}

// answered notes that the endpoint took a call and did not refuse it.
func (l *Limiter) answered(p *Permit) {
	l.alive(p)
	if l.probe == p {
		l.accepted()
	}
}

// alive notes that there is an endpoint.
func (l *Limiter) alive(p *Permit) {
	l.breaker.RecordSuccess()
	if l.trial == p {
		l.trial = nil
	}
}

// forget takes back a call of which nothing is known.
func (l *Limiter) forget(p *Permit) {
	l.search.lost(p.epoch, p.seq)
	if l.probe == p {
		l.probe = nil
	}
	if l.trial == p {
		// The breaker has given its one try away, and waits to hear of it.
		l.trial = nil
		l.breaker.RecordFailure()
	}
}

func (l *Limiter) failAll(err error) {
	for e := l.queue.Front(); e != nil; e = l.queue.Front() {
		w, _ := l.queue.Remove(e).(*waiter)
		w.err = err
		close(w.ready)
	}
}
