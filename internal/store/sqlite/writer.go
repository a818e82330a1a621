package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
)

// The states of a request: the caller may take it back until the writer has
// taken it, and never both.
const (
	waiting int32 = iota
	taken
	abandoned
)

// request is one caller's write.
type request struct {
	// do carries the write out. It may be called again when the transaction
	// around it failed, so it keeps nothing from one call to the next.
	do func(*writeTx) error
	// rows is about how many rows it writes.
	rows  int
	state atomic.Int32
	err   error
	done  chan struct{}
}

// writer owns the one connection that writes. Its goroutine ends when the
// queue is closed.
type writer struct {
	tx        *writeTx
	queue     chan *request
	batchRows int
	// refuse is set when the store stops waiting for what is queued.
	refuse atomic.Bool
	ended  chan struct{}
}

// startWriter starts the writer on a connection that it then owns. ctx must
// never end: SQLite answers an interrupted statement by rolling back the
// transaction that others share.
func startWriter(ctx context.Context, conn *sql.Conn, queueSize, batchRows int) *writer {
	w := &writer{
		tx:        &writeTx{ctx: ctx, conn: conn, statements: map[string]*sql.Stmt{}},
		queue:     make(chan *request, queueSize),
		batchRows: batchRows,
		ended:     make(chan struct{}),
	}
	go w.run()
	return w
}

// write hands do to the writer and waits until it is committed or refused.
//
// When ctx ends first, nothing was written if the writer had not begun;
// otherwise the result is waited for, so that an error always means "not kept".
func (w *writer) write(ctx context.Context, rows int, do func(*writeTx) error) error {
	r := &request{do: do, rows: rows, done: make(chan struct{})}
	select {
	case w.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waiting, abandoned) {
		return ctx.Err()
	}
	<-r.done
	return r.err
}

// stop ends the goroutine. No write may be under way or begin.
func (w *writer) stop() error {
	close(w.queue)
	<-w.ended
	return w.tx.close()
}

func (w *writer) run() {
	defer close(w.ended)
	for first := range w.queue {
		w.commit(w.collect(first))
	}
}

// collect takes what is waiting, without waiting for more: under load batches
// fill by themselves while the commit before them runs.
func (w *writer) collect(first *request) []*request {
	batch := make([]*request, 0, 8)
	rows := 0
	add := func(r *request) {
		if r.state.CompareAndSwap(waiting, taken) {
			batch = append(batch, r)
			rows += r.rows
		}
	}
	add(first)
	for rows < w.batchRows {
		select {
		case r, open := <-w.queue:
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
// cannot be written, such as one that fills the disk, does not take the others
// with it.
func (w *writer) commit(batch []*request) {
	if err := w.transact(batch); err != nil {
		for _, r := range batch {
			r.err = err
			if len(batch) > 1 {
				if err := w.transact([]*request{r}); err != nil {
					r.err = err
				}
			}
		}
	}
	for _, r := range batch {
		close(r.done)
	}
}

// transact runs a batch in one transaction with a savepoint for each request.
// An error says that nothing of it was kept; what is wrong with one request
// alone is left in its err.
func (w *writer) transact(batch []*request) (err error) {
	if len(batch) == 0 {
		return nil
	}
	if w.refuse.Load() {
		return ErrClosed
	}
	if err := w.tx.run("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			// SQLite may have rolled back by itself; then this fails and says so.
			_ = w.tx.run("ROLLBACK")
		}
	}()
	for _, r := range batch {
		if err := w.tx.run("SAVEPOINT request"); err != nil {
			return fmt.Errorf("savepoint: %w", err)
		}
		r.err = r.do(w.tx)
		if r.err != nil {
			if err := w.tx.run("ROLLBACK TO request"); err != nil {
				return errors.Join(r.err, fmt.Errorf("roll back to savepoint: %w", err))
			}
		}
		if err := w.tx.run("RELEASE request"); err != nil {
			return fmt.Errorf("release savepoint: %w", err)
		}
	}
	if err := w.tx.run("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// writeTx is the writer's transaction as requests see it. Statements are
// prepared once. It belongs to the writer's goroutine.
type writeTx struct {
	ctx        context.Context
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

// prepared returns the statement for a query. Queries are constants, so their
// number is bounded.
func (t *writeTx) prepared(query string) (*sql.Stmt, error) {
	if s, ok := t.statements[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, err
	}
	t.statements[query] = s
	return s, nil
}

// run is exec for statements of which only the error matters.
func (t *writeTx) run(query string, args ...any) error {
	_, err := t.exec(query, args...)
	return err
}

func (t *writeTx) exec(query string, args ...any) (sql.Result, error) {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// changed is exec for statements of which only the number of rows matters.
func (t *writeTx) changed(query string, args ...any) (int64, error) {
	res, err := t.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row runs a query of one row; it implements querier.
func (t *writeTx) row(query string, args ...any) scanner {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return failedRow{err}
	}
	return s.QueryRowContext(t.ctx, args...)
}

func (t *writeTx) close() error {
	var errs []error
	for _, s := range t.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}
