package engine

import (
	"context"
	"sync"
)

// lease is the time during which a process may count on its jobs being its own.
type lease struct {
	mu  sync.Mutex
	ctx context.Context
	end context.CancelFunc
}

// renew begins a lease, if the one before was lost.
func (l *lease) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil || l.ctx.Err() != nil {
		l.ctx, l.end = context.WithCancel(context.Background())
	}
}

// lose ends the lease; jobs wait for the next one.
func (l *lease) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end()
}

func (l *lease) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ctx
}
