package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	// The driver registers itself under the name "sqlite".
	_ "modernc.org/sqlite"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

// Store keeps everything in one file. Its methods are described by run.Store.
type Store struct {
	*relational.Store
	path string
	// before is the schema version that the file was opened with, schema the one it has.
	before, schema int64
	lock           *fileLock
	writeDB        *sql.DB
	readDB         *sql.DB
	writer         *writer
	calls          *relational.Calls

	closing  sync.Once
	closeErr error
}

var _ run.Store = (*Store)(nil)

// Open opens the database, creating it and bringing its schema up to date
// where needed. ctx bounds the opening only.
//
// It returns a *LockedError when another process has the file, ErrForeign when
// it is some other program's, and a *relational.SchemaError when a newer version of this
// program wrote it. The caller closes the store.
func Open(ctx context.Context, c Config) (_ *Store, err error) {
	c, err = c.complete()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{}
	// Undone in reverse order when a later step fails.
	var undo []func() error
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	if s.path, err = resolve(c.Path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if s.lock, err = acquire(s.path); err != nil {
		return nil, err
	}
	undo = append(undo, s.lock.release)
	if err := prepare(s.path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := identify(ctx, s.path, c.BusyTimeout); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	if s.writeDB, err = sql.Open("sqlite", writerDSN(s.path, c.BusyTimeout)); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	undo = append(undo, s.writeDB.Close)
	s.writeDB.SetMaxOpenConns(1)
	if s.before, s.schema, err = migrate(ctx, s.writeDB); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	if s.readDB, err = sql.Open("sqlite", readerDSN(s.path, c.BusyTimeout)); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	undo = append(undo, s.readDB.Close)
	s.readDB.SetMaxOpenConns(c.Readers)
	s.readDB.SetMaxIdleConns(c.Readers)
	if s.Store, err = relational.New(database{s}, dialect); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	undo = append(undo, s.Release)
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	s.writer = startWriter(context.WithoutCancel(ctx), conn, c.QueueSize, c.BatchRows)
	s.calls = relational.NewCalls(ctx)
	return s, nil
}

// Close refuses new calls, waits for those under way, and closes the file.
//
// When ctx ends first, queued writes are refused with relational.ErrClosed, reads are
// cancelled, and Close returns an error after what little cannot be
// interrupted, at most one commit. The file is closed in any case. Further
// calls return what the first did.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closeErr = s.close(ctx) })
	return s.closeErr
}

func (s *Store) close(ctx context.Context) error {
	late := s.calls.Close(ctx, func() { s.writer.refuse.Store(true) })
	err := errors.Join(late, s.writer.stop(), s.readDB.Close(), s.writeDB.Close(), s.Release(), s.lock.release())
	if err != nil {
		return fmt.Errorf("close database %s: %w", s.path, err)
	}
	return nil
}

// Path returns the absolute path of the database file.
func (s *Store) Path() string { return s.path }

// Ready implements run.Store: the schema is the one this binary knows, and a
// write gets through.
func (s *Store) Ready(ctx context.Context) error {
	var have int64
	err := s.read(ctx, "check schema", func(r reader) (err error) {
		have, err = schemaVersion(r)
		return err
	})
	if err != nil {
		return err
	}
	if have != s.schema {
		return &relational.SchemaError{Have: have, Want: s.schema}
	}
	return s.write(ctx, "check writer", 0, func(*writeTx) error { return nil })
}

// write carries do out in the writer's next transaction. what names the
// operation in errors that callers do not tell apart.
func (s *Store) write(ctx context.Context, what string, rows int, do func(*writeTx) error) error {
	if err := s.calls.Enter(ctx); err != nil {
		return relational.Failure(what, err)
	}
	defer s.calls.Leave()
	return relational.Failure(what, s.writer.Do(ctx, rows, do))
}

// read gives do the read pool. Statements of one read may see different
// commits; snapshot is for those that may not.
func (s *Store) read(ctx context.Context, what string, do func(reader) error) error {
	return s.calls.Do(ctx, what, func(ctx context.Context) error { return do(reader{ctx: ctx, db: s.readDB}) })
}

// snapshot is read with one state of the database throughout.
func (s *Store) snapshot(ctx context.Context, what string, do func(reader) error) error {
	return s.read(ctx, what, func(r reader) (err error) {
		tx, err := s.readDB.BeginTx(r.ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		// Nothing was written, so ending it is all there is to do.
		defer func() {
			if end := tx.Rollback(); end != nil && !errors.Is(end, sql.ErrTxDone) {
				err = errors.Join(err, end)
			}
		}()
		return do(reader{ctx: r.ctx, db: tx})
	})
}

// database is the store as relational.Database.
type database struct{ *Store }

// Read implements relational.Database.
func (d database) Read(ctx context.Context, what string, do func(relational.Querier) error) error {
	return d.read(ctx, what, func(r reader) error { return do(r) })
}

// Snapshot implements relational.Database.
func (d database) Snapshot(ctx context.Context, what string, do func(relational.Querier) error) error {
	return d.snapshot(ctx, what, func(r reader) error { return do(r) })
}

// Write implements relational.Database.
func (d database) Write(ctx context.Context, what string, rows int, do func(relational.Tx) error) error {
	return d.write(ctx, what, rows, func(tx *writeTx) error { return do(tx) })
}

// Save implements relational.Database.
func (d database) Save(ctx context.Context, what string, key run.RunKey, samples []relational.Sample) (int, error) {
	return d.save(ctx, what, key, samples)
}
