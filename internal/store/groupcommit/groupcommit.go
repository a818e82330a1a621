// Package groupcommit gathers the writes of many callers into few transactions.
//
//	callers ──► queue ──► one goroutine ──► a transaction for all that waited
//	            (bounded)
//
// Nobody waits for a batch to fill: while a commit runs, the next batch gathers
// by itself.
package groupcommit

import (
	"context"
	"sync/atomic"
)

// The states of a request: the caller may take it back until the queue has
// taken it, and never both.
const (
	waiting int32 = iota
	taken
	abandoned
)

// Request is one caller's write.
type Request[T any] struct {
	// Item is what the caller gave.
	Item T
	// Err is what the caller is told when the transaction succeeds: what was
	// wrong with this request alone.
	Err error

	rows  int
	state atomic.Int32
	done  chan struct{}
}

// Queue gathers requests. Its goroutine ends with Stop.
type Queue[T any] struct {
	transact  func([]*Request[T]) error
	requests  chan *Request[T]
	batchRows int
	ended     chan struct{}
}

// Start starts a queue for size requests; further callers wait for a place.
// transact is called by one goroutine with requests of about batchRows rows
// together. Its error says that nothing of them was kept; it may be called with
// the same requests again.
func Start[T any](size, batchRows int, transact func([]*Request[T]) error) *Queue[T] {
	q := &Queue[T]{
		transact: transact, requests: make(chan *Request[T], size), batchRows: batchRows, ended: make(chan struct{}),
	}
	go q.run()
	return q
}

// Do hands an item of so many rows to the queue and waits until it is committed
// or refused.
//
// When ctx ends first, nothing was written if its transaction had not begun;
// otherwise the result is waited for.
func (q *Queue[T]) Do(ctx context.Context, rows int, item T) error {
	r := &Request[T]{Item: item, rows: rows, done: make(chan struct{})}
	select {
	case q.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.done:
		return r.Err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waiting, abandoned) {
		return ctx.Err()
	}
	<-r.done
	return r.Err
}

// Len is the number of requests that wait.
func (q *Queue[T]) Len() int { return len(q.requests) }

// Stop ends the goroutine. No Do may be under way or begin.
func (q *Queue[T]) Stop() {
	close(q.requests)
	<-q.ended
}

func (q *Queue[T]) run() {
	defer close(q.ended)
	for first := range q.requests {
		q.commit(q.collect(first))
	}
}

// collect takes what is waiting, without waiting for more.
func (q *Queue[T]) collect(first *Request[T]) []*Request[T] {
	batch := make([]*Request[T], 0, 8)
	rows := 0
	add := func(r *Request[T]) {
		if r.state.CompareAndSwap(waiting, taken) {
			batch = append(batch, r)
			rows += r.rows
		}
	}
	add(first)
	for rows < q.batchRows {
		select {
		case r, open := <-q.requests:
			if !open {
				return batch
			}
			add(r)
		default:
			return batch
		}
	}
	return batch
}

// commit carries a batch out and tells every caller. When the transaction
// itself fails, each request is tried once more alone, so that one which
// cannot be written does not take the others with it.
func (q *Queue[T]) commit(batch []*Request[T]) {
	if len(batch) == 0 {
		return
	}
	if err := q.transact(batch); err != nil {
		for _, r := range batch {
			r.Err = err
			if len(batch) == 1 {
				continue
			}
			r.Err = nil
			if err := q.transact([]*Request[T]{r}); err != nil {
				r.Err = err
			}
		}
	}
	for _, r := range batch {
		close(r.done)
	}
}
