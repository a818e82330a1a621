package relational

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrClosed is returned by every method of a store after its Close has begun.
var ErrClosed = errors.New("the store is closed")

// Calls counts the calls that are under way in a store, so that it can be
// closed when there are none.
type Calls struct {
	// life ends when Close stops waiting for calls.
	life context.Context
	end  context.CancelFunc

	mu     sync.RWMutex
	closed bool
	calls  sync.WaitGroup
}

// NewCalls returns a Calls that admits calls until Close. It keeps the values of
// ctx and outlives it.
func NewCalls(ctx context.Context) *Calls {
	c := &Calls{}
	c.life, c.end = context.WithCancel(context.WithoutCancel(ctx))
	return c
}

// Enter admits a call; Leave ends it.
func (c *Calls) Enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	c.calls.Add(1)
	return nil
}

// Leave ends a call that Enter has admitted.
func (c *Calls) Leave() { c.calls.Done() }

// GivenUp is closed when Close stops waiting for calls.
func (c *Calls) GivenUp() <-chan struct{} { return c.life.Done() }

// Context ends with GivenUp. It is for what is done for several calls.
func (c *Calls) Context() context.Context { return c.life }

// Do carries a call out with a context that also ends when Close stops waiting.
// An error that comes of that is ErrClosed, one of the caller's context is that
// context's, and others begin with what, unless they are Promised.
func (c *Calls) Do(ctx context.Context, what string, do func(context.Context) error) error {
	if err := c.Enter(ctx); err != nil {
		return Failure(what, err)
	}
	defer c.Leave()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	err := do(inner)
	// Drivers say the same of both, and callers need to know which.
	switch {
	case err == nil || Promised(err):
		return err
	case ctx.Err() != nil:
		err = ctx.Err()
	case c.life.Err() != nil:
		err = ErrClosed
	}
	return Failure(what, err)
}

// Close refuses new calls and waits for those under way. When ctx ends first,
// it calls giveUp, ends the contexts of Do, waits for what little cannot be
// interrupted, and returns an error.
func (c *Calls) Close(ctx context.Context, giveUp func()) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	idle := make(chan struct{})
	go func() { c.calls.Wait(); close(idle) }()
	defer c.end()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		giveUp()
		c.end()
		<-idle
		return fmt.Errorf("calls under way were given up: %w", ctx.Err())
	}
}
