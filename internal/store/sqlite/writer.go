package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/unmask-eval/unmask/internal/store/groupcommit"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

// work is one caller's write. It may be called again when the transaction
// around it failed, so it keeps nothing from one call to the next.
type work = func(*writeTx) error

// writer owns the one connection that writes.
type writer struct {
	*groupcommit.Queue[work]
	tx *writeTx
	// refuse is set when the store stops waiting for what is queued.
	refuse atomic.Bool
}

// startWriter starts the writer on a connection that it then owns. ctx must
// never end: SQLite answers an interrupted statement by rolling back the
// transaction that others share.
func startWriter(ctx context.Context, conn *sql.Conn, queueSize, batchRows int) *writer {
	w := &writer{tx: &writeTx{ctx: ctx, conn: conn, statements: map[string]*sql.Stmt{}}}
	w.Queue = groupcommit.Start(queueSize, batchRows, w.transact)
	return w
}

// stop ends the writer. No write may be under way or begin.
func (w *writer) stop() error {
	w.Stop()
	return w.tx.close()
}

// transact runs a batch in one transaction with a savepoint for each request.
func (w *writer) transact(batch []*groupcommit.Request[work]) (err error) {
	if w.refuse.Load() {
		return relational.ErrClosed
	}
	if err := w.tx.Run("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			// SQLite may have rolled back by itself; then this fails and says so.
			_ = w.tx.Run("ROLLBACK")
		}
	}()
	for _, r := range batch {
		if err := w.tx.Run("SAVEPOINT request"); err != nil {
			return fmt.Errorf("savepoint: %w", err)
		}
		r.Err = r.Item(w.tx)
		if r.Err != nil {
			if err := w.tx.Run("ROLLBACK TO request"); err != nil {
				return errors.Join(r.Err, fmt.Errorf("roll back to savepoint: %w", err))
			}
		}
		if err := w.tx.Run("RELEASE request"); err != nil {
			return fmt.Errorf("release savepoint: %w", err)
		}
	}
	if err := w.tx.Run("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// writeTx is the writer's transaction as requests see it, a relational.Tx.
// Statements are prepared once. It belongs to the writer's goroutine.
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

func (t *writeTx) exec(query string, args ...any) (sql.Result, error) {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// Run implements relational.Tx.
func (t *writeTx) Run(query string, args ...any) error {
	_, err := t.exec(query, args...)
	return err
}

// RunEach implements relational.Tx.
func (t *writeTx) RunEach(query string, args [][]any) error {
	for _, a := range args {
		if err := t.Run(query, a...); err != nil {
			return err
		}
	}
	return nil
}

// Changed implements relational.Tx.
func (t *writeTx) Changed(query string, args ...any) (int64, error) {
	res, err := t.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Insert implements relational.Tx.
func (t *writeTx) Insert(query string, args ...any) (seq int64, err error) {
	res, err := t.exec(query, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// Row implements relational.Querier.
func (t *writeTx) Row(query string, args ...any) relational.Scanner {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return failedRow{err}
	}
	return s.QueryRowContext(t.ctx, args...)
}

// Each implements relational.Querier.
func (t *writeTx) Each(fn func(relational.Scanner) error, query string, args ...any) error {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	return each(rows, err, fn)
}

func (t *writeTx) close() error {
	var errs []error
	for _, s := range t.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}
