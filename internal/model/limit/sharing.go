package limit

import (
	"context"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// Ledger keeps the accounts of endpoints for all processes. Each call is one
// change of one account (Account.Renew, Account.Leave), and no two of them
// happen to an account at once.
type Ledger interface {
	// Renew hears a report. When it returns an error, the report may have been
	// heard, or may still be.
	Renew(ctx context.Context, endpoint string, r Report) (Grant, error)
	// Leave gives back what a process has.
	Leave(ctx context.Context, endpoint string, r Report) error
}

// Sharing says how a limiter shares its endpoint with other processes.
type Sharing struct {
	Ledger Ledger
	// Endpoint is the name of the account, and Process that of this process, which no
	// other ever has.
	Endpoint, Process string
	// Failed, if set, is told of the first report in a row that failed, and Renewed
	// of the first one after it that did not.
	Failed  func(error)
	Renewed func()
}

// How often a process reports.
const (
	// interval is how often it does while it calls the endpoint or did lately.
	interval = time.Second
	// hungry is how soon it does when calls wait for its share, and soon when it has
	// news or gives something back.
	hungry = 250 * time.Millisecond
	soon   = 20 * time.Millisecond
	// idle is how long it does after its last call.
	idle = time.Minute
	// reportTimeout bounds one report.
	reportTimeout = 3 * time.Second
)

// Share makes the bounds of the limiter hold over all processes that share the
// ledger. Calls begin when the first report has been answered, and none is in flight
// when the last answer is older than Hold. It is called before the first call.
// stop ends the sharing and gives everything back; no call can be made after it.
func (l *Limiter) Share(c Sharing) (stop func(context.Context) error) {
	s := &share{wake: make(chan struct{}, 1), processes: 1}
	l.mu.Lock()
	l.share = s
	l.requests, l.tokens = nil, nil
	l.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).WithSuccessThreshold(1).WithDelay(breakerDelay).
		OnOpen(func(circuitbreaker.StateChangedEvent) { s.opened = true }).Build()
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{Sharing: c, l: l, s: s}
	var done sync.WaitGroup
	done.Go(func() { k.run(ctx) })
	var once sync.Once
	return func(ctx context.Context) (err error) {
		once.Do(func() {
			cancel()
			done.Wait()
			_, err = k.leave(ctx, true)
		})
		return err
	}
}

// keeper reports for one limiter.
type keeper struct {
	Sharing
	l      *Limiter
	s      *share
	seq    int64
	joined bool
	failed bool
	// active is when there last was a call.
	active time.Time
}

func (k *keeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	var last, due time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.s.wake:
			if next := last.Add(k.l.pace()); due.IsZero() || next.Before(due) {
				due = next
				timer.Reset(time.Until(due))
			}
			continue
		case <-timer.C:
		}
		last = time.Now()
		// A shutdown does not break a report off half-way.
		if k.renew(context.WithoutCancel(ctx)) {
			due = last.Add(interval)
			timer.Reset(time.Until(due))
		} else {
			due = time.Time{}
		}
		k.l.watchAgain()
	}
}

// renew reports once, and says whether to go on by the clock.
func (k *keeper) renew(ctx context.Context) bool {
	now := time.Now()
	r, busy := k.l.report(now)
	r.Process = k.Process
	if busy {
		k.active = now
	} else if now.Sub(k.active) >= idle {
		left, err := k.leave(ctx, false)
		return !left || err != nil
	}
	k.seq++
	r.Seq = k.seq
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	k.joined = true
	g, err := k.Ledger.Renew(ctx, k.Endpoint, r)
	if err != nil {
		k.l.unheard(r)
		if !k.failed && k.Failed != nil {
			k.Failed(err)
		}
		k.failed = true
		return true
	}
	if k.failed && k.Renewed != nil {
		k.Renewed()
	}
	k.failed = false
	k.l.use(now, r, g)
	return true
}

// leave gives everything back and says whether it did: for good whatever happens, and
// otherwise unless a call has begun meanwhile. Calls in flight count until they have
// been reported gone, or the lease has ended.
func (k *keeper) leave(ctx context.Context, forGood bool) (left bool, err error) {
	r, ok := k.l.giveUp(forGood)
	if !ok {
		return false, nil
	}
	if !k.joined {
		return true, nil
	}
	k.seq++
	r.Process, r.Seq = k.Process, k.seq
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if r.InFlight > 0 {
		_, err := k.Ledger.Renew(ctx, k.Endpoint, r)
		return true, err
	}
	if err := k.Ledger.Leave(ctx, k.Endpoint, r); err != nil {
		return true, err
	}
	k.joined = false
	return true, nil
}
