package run

import (
	"errors"
	"sync"
	"time"
)

const (
	// keepGrace is how long a reply may still be kept after the process ran out of
	// time, and keepPause the pause before the next attempt at a database that is away.
	keepGrace = 10 * time.Second
	keepPause = 100 * time.Millisecond
)

// errUnkept says that a sample was given up because the database did not come back
// before the process had to end.
var errUnkept = errors.New("given up without a row")

// outage knows whether the database is away: it is while a finished sample waits to
// be kept. Nothing is dispatched meanwhile, so no more replies are ever held than
// there are slots.
type outage struct {
	mu      sync.Mutex
	holding int
	ended   chan struct{}
}

// begin counts a sample that waits; over ends that.
func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holding++; o.holding == 1 {
		o.ended = make(chan struct{})
	}
}

func (o *outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holding--; o.holding == 0 {
		close(o.ended)
		o.ended = nil
	}
}

// wait returns what is closed at the end of the outage, or nil when there is none.
func (o *outage) wait() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended
}
