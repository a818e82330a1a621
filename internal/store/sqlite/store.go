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
)

// ErrClosed is returned by every method after Close has begun.
var ErrClosed = errors.New("the store is closed")

// Store keeps everything in one file. Its methods are described by run.Store.
type Store struct {
	path    string
	schema  int64
	lock    *fileLock
	writeDB *sql.DB
	readDB  *sql.DB
	writer  *writer
	packer  *packer
	prompts promptCache

	// life ends when Close stops waiting for calls; reads end with it.
	life context.Context
	end  context.CancelFunc

	mu     sync.RWMutex
	closed bool
	calls  sync.WaitGroup

	closing  sync.Once
	closeErr error
}

var _ run.Store = (*Store)(nil)

// Open opens the database, creating it and bringing its schema up to date
// where needed. ctx bounds the opening only.
//
// It returns a *LockedError when another process has the file, ErrForeign when
// it is some other program's, and a *SchemaError when a newer version of this
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
	if s.schema, err = migrate(ctx, s.writeDB); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	if s.readDB, err = sql.Open("sqlite", readerDSN(s.path, c.BusyTimeout)); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	undo = append(undo, s.readDB.Close)
	s.readDB.SetMaxOpenConns(c.Readers)
	s.readDB.SetMaxIdleConns(c.Readers)
	if s.packer, err = newPacker(); err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	undo = append(undo, s.packer.close)
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	base := context.WithoutCancel(ctx)
	s.writer = startWriter(base, conn, c.QueueSize, c.BatchRows)
	s.life, s.end = context.WithCancel(base)
	return s, nil
}

// Close refuses new calls, waits for those under way, and closes the file.
//
// When ctx ends first, queued writes are refused with ErrClosed, reads are
// cancelled, and Close returns an error after what little cannot be
// interrupted, at most one commit. The file is closed in any case. Further
// calls return what the first did.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closeErr = s.close(ctx) })
	return s.closeErr
}

func (s *Store) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() { s.calls.Wait(); close(idle) }()
	var late error
	select {
	case <-idle:
	case <-ctx.Done():
		late = fmt.Errorf("calls under way were given up: %w", ctx.Err())
		s.writer.refuse.Store(true)
		s.end()
		<-idle
	}
	s.end()
	err := errors.Join(late, s.writer.stop(), s.readDB.Close(), s.writeDB.Close(), s.packer.close(), s.lock.release())
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
		return &SchemaError{Have: have, Want: s.schema}
	}
	return s.write(ctx, "check writer", 0, func(*writeTx) error { return nil })
}

// enter admits a call; leave ends it.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) leave() { s.calls.Done() }

// write carries do out in the writer's next transaction. what names the
// operation in errors that callers do not tell apart.
func (s *Store) write(ctx context.Context, what string, rows int, do func(*writeTx) error) error {
	if err := s.enter(ctx); err != nil {
		return failure(what, err)
	}
	defer s.leave()
	return failure(what, s.writer.write(ctx, rows, do))
}

// read gives do the read pool. Statements of one read may see different
// commits; snapshot is for those that may not.
func (s *Store) read(ctx context.Context, what string, do func(reader) error) error {
	if err := s.enter(ctx); err != nil {
		return failure(what, err)
	}
	defer s.leave()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	err := do(reader{ctx: inner, db: s.readDB})
	// SQLite says "interrupted" to both, and callers need to know which.
	switch {
	case err == nil || promised(err):
		return err
	case ctx.Err() != nil:
		err = ctx.Err()
	case s.life.Err() != nil:
		err = ErrClosed
	}
	return failure(what, err)
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

// failure adds what was being done to an error, unless it is one that the port
// promises: those name their resource themselves.
func failure(what string, err error) error {
	if err == nil || promised(err) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// promised reports whether an error is one of those that run.Store describes.
func promised(err error) bool {
	var (
		notFound *run.NotFoundError
		exists   *run.ExistsError
		reuse    *run.RequestReuseError
		state    *run.StateError
		invalid  *run.InvalidError
	)
	return errors.As(err, &notFound) || errors.As(err, &exists) || errors.As(err, &reuse) ||
		errors.As(err, &state) || errors.As(err, &invalid)
}
