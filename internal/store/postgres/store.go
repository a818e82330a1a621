package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

// Store keeps everything in one database. Its methods are described by run.Store.
//
// An error means "not kept", unless the connection broke while a transaction was
// being committed: then what was written may be there. Writing it again is safe,
// for nothing is kept twice.
type Store struct {
	*relational.Store
	pool    *pgxpool.Pool
	where   string
	schema  int64
	writers *writers
	calls   *relational.Calls
	// base outlives every call.
	base context.Context

	closing  sync.Once
	closeErr error
}

var _ run.Store = (*Store)(nil)

// Open connects to the database. ctx bounds the opening only.
//
// It changes nothing: a schema that is not the one that this binary works with
// is a *relational.SchemaError. Any number of processes may open one database.
// The caller closes the store.
func Open(ctx context.Context, c Config) (_ *Store, err error) {
	c, err = c.complete()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pc, err := parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("open database: URL: %w", err)
	}
	pc.MaxConns = int32(min(c.MaxConnections, 10_000)) //nolint:gosec // bounded
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "unmask"
	}
	// Every list is in the order of an index. Sorting instead looks cheap to the
	// planner while a table that has just been filled has no statistics, and reads
	// a whole run for a page of it.
	pc.ConnConfig.RuntimeParams["enable_sort"] = "off"
	s := &Store{where: place(pc.ConnConfig), base: context.WithoutCancel(ctx)}
	// Undone in reverse order when a later step fails.
	var undo []func() error
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	if s.schema, err = wantedVersion(); err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.NewWithConfig(s.base, pc); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.where, err)
	}
	undo = append(undo, func() error { s.pool.Close(); return nil })
	if err := s.checkSchema(ctx); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.where, err)
	}
	if s.Store, err = relational.New(database{s}, dialect); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.where, err)
	}
	s.calls = relational.NewCalls(ctx)
	s.writers = s.startWriters(c)
	return s, nil
}

// Close refuses new calls, waits for those under way, and closes the connections.
//
// When ctx ends first, queued writes are refused with relational.ErrClosed, other
// calls are cancelled, and Close returns an error after what little cannot be
// interrupted, at most one commit. Further calls return what the first did.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closeErr = s.close(ctx) })
	return s.closeErr
}

func (s *Store) close(ctx context.Context) error {
	err := s.calls.Close(ctx, func() {})
	s.writers.stop()
	s.pool.Close()
	if err = errors.Join(err, s.Release()); err != nil {
		return fmt.Errorf("close database %s: %w", s.where, err)
	}
	return nil
}

// Ready implements run.Store: the database answers, and its schema is the one that
// this binary knows.
func (s *Store) Ready(ctx context.Context) error {
	return s.calls.Do(ctx, "check the database", func(ctx context.Context) error {
		// One of the pool's connections may be from before a restart.
		return again(ctx, readyPatience, func() error { return s.checkSchema(ctx) })
	})
}

func (s *Store) checkSchema(ctx context.Context) error {
	have, err := schemaVersion(querier{ctx: ctx, db: s.pool})
	if err == nil && have != s.schema {
		err = &relational.SchemaError{Have: have, Want: s.schema}
	}
	return err
}

// database is the store as relational.Database.
type database struct{ *Store }

// Read implements relational.Database.
func (d database) Read(ctx context.Context, what string, do func(relational.Querier) error) error {
	return d.calls.Do(ctx, what, func(ctx context.Context) error {
		return again(ctx, patience, func() error { return do(querier{ctx: ctx, db: d.pool}) })
	})
}

var snapshotOptions = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// Snapshot implements relational.Database.
func (d database) Snapshot(ctx context.Context, what string, do func(relational.Querier) error) error {
	return d.calls.Do(ctx, what, func(ctx context.Context) error {
		return again(ctx, patience, func() error {
			return pgx.BeginTxFunc(ctx, d.pool, snapshotOptions, func(tx pgx.Tx) error {
				return do(querier{ctx: ctx, db: tx})
			})
		})
	})
}

// The SQLSTATE codes that are told apart.
const (
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedTable       = "42P01"
)

// attempts bounds how often a transaction is begun while others are in the way.
const attempts = 20

// Write implements relational.Database. What do has looked for may be there, or
// be gone, by the time it writes; the constraints notice, and the next attempt
// sees it.
func (d database) Write(ctx context.Context, what string, _ int, do func(relational.Tx) error) error {
	return d.calls.Do(ctx, what, func(ctx context.Context) error {
		for attempt := 1; ; attempt++ {
			err := again(ctx, patience, func() error {
				return d.transact(ctx, func(tx pgx.Tx) error { return do(newWriteTx(ctx, tx)) })
			})
			if attempt == attempts || !inTheWay(err) {
				return err
			}
		}
	})
}

// transact runs do in a transaction. A *commitError says that it is not known
// whether it was committed.
func (s *Store) transact(ctx context.Context, do func(pgx.Tx) error) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		// When this fails as well, the connection is broken and the server rolls back.
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return err
	}
	// A commit that was sent is waited for, so that an error means "not kept".
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	err = tx.Commit(end)
	if err != nil && (broken(err) || end.Err() != nil) {
		return &commitError{err}
	}
	return err
}

// inTheWay reports whether another transaction is why one has failed.
func inTheWay(err error) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return false
	}
	switch pe.Code {
	case foreignKeyViolation, uniqueViolation, serializationFailure, deadlockDetected:
		return true
	}
	return false
}

// Save implements relational.Database.
func (d database) Save(ctx context.Context, what string, key run.RunKey, samples []relational.Sample) (int, error) {
	return d.save(ctx, what, key, samples)
}
