// Package relational is what the stores on SQL databases share: the methods of
// run.Store in SQL that their databases have in common, and the stored forms of
// documents, texts, rows and cursors.
//
// A store embeds *Store, gives it a Database, and keeps to itself what differs:
// opening, migrating, how transactions are run, and how finished samples get in.
package relational

import (
	"context"
	"errors"
	"fmt"

	"github.com/unmask-eval/unmask/internal/run"
)

// Scanner is a row that is ready to be read. A row that is not there is
// sql.ErrNoRows.
type Scanner interface{ Scan(dest ...any) error }

// Querier runs queries, in a transaction or outside of one. Arguments stand as
// question marks. Any string survives in a text column, also one that is not
// UTF-8, and texts are ordered by their bytes.
type Querier interface {
	// Row runs a query of one row.
	Row(query string, args ...any) Scanner
	// Each calls fn with every row of a query, and stops with fn's error.
	Each(fn func(Scanner) error, query string, args ...any) error
}

// Tx is a transaction that writes.
type Tx interface {
	Querier
	// Run runs a statement of which only the error matters.
	Run(query string, args ...any) error
	// Changed runs a statement and returns the number of rows that it wrote.
	Changed(query string, args ...any) (int64, error)
	// Insert inserts a row and returns its seq. A row that ON CONFLICT has kept
	// out is sql.ErrNoRows.
	Insert(query string, args ...any) (seq int64, err error)
	// RunEach runs a statement with each of several lists of arguments.
	RunEach(query string, args [][]any) error
}

// Database runs what the methods of Store ask for. Its errors begin with what,
// unless they are those that run.Store describes (see Promised). What it calls
// may be called again, when the connection broke or another transaction was in
// the way, so that keeps nothing from one call to the next.
type Database interface {
	// Read gives do access to read. Statements of one Read may see different
	// commits; Snapshot is for those that may not.
	Read(ctx context.Context, what string, do func(Querier) error) error
	// Snapshot is Read with one state of the database throughout.
	Snapshot(ctx context.Context, what string, do func(Querier) error) error
	// Write carries do out in a transaction, which an error of do undoes. rows is
	// about how many rows it writes.
	Write(ctx context.Context, what string, rows int, do func(Tx) error) error
	// Save writes samples of a run with what belongs to them, and adds what was
	// new to the run's counters: all or nothing, and a sample that has a row not
	// at all. It returns how many were new.
	Save(ctx context.Context, what string, key run.RunKey, samples []Sample) (inserted int, err error)
}

// Dialect is where the databases' SQL differs.
type Dialect struct {
	// True and False are what a column of truth values is compared with.
	True, False string
	// Contains is a condition: the first text, a column's name, has the second
	// one, an expression, in it.
	Contains func(text, part string) string
	// Lock ends a SELECT whose rows nobody may change before the transaction is
	// over; "" where transactions that write are alone anyway.
	Lock string
	// Exclude is a statement that makes a transaction wait for others that have
	// excluded the same name, its argument, until they are over; "" where
	// transactions that write are alone anyway.
	Exclude string
}

// exclude lets no other transaction that has excluded the same name look or write
// before tx is over.
func (d Dialect) exclude(tx Tx, name string) error {
	if d.Exclude == "" {
		return nil
	}
	return tx.Run(d.Exclude, name)
}

// Store is the methods of run.Store that are the same for every database: all
// but Ready. It is safe for concurrent use.
type Store struct {
	db      Database
	dialect Dialect
	packer  *packer
	prompts promptCache
}

// New returns the methods over a database. The caller closes it after the last call.
func New(db Database, d Dialect) (*Store, error) {
	p, err := newPacker()
	if err != nil {
		return nil, err
	}
	return &Store{db: db, dialect: d, packer: p}, nil
}

// Release gives back what New has taken.
func (s *Store) Release() error { return s.packer.close() }

// Failure adds what was being done to an error, unless it is one that the port
// promises: those name their resource themselves.
func Failure(what string, err error) error {
	if err == nil || Promised(err) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Promised reports whether an error is one of those that run.Store describes.
func Promised(err error) bool {
	var (
		notFound *run.NotFoundError
		exists   *run.ExistsError
		reuse    *run.RequestReuseError
		state    *run.StateError
		invalid  *run.InvalidError
		limit    *run.LimitError
		tries    *run.TriesError
	)
	return errors.As(err, &notFound) || errors.As(err, &exists) || errors.As(err, &reuse) ||
		errors.As(err, &state) || errors.As(err, &invalid) || errors.As(err, &limit) || errors.As(err, &tries)
}

// SchemaError says that the database's schema is not the one that this binary
// works with.
type SchemaError struct {
	// Have is the database's schema version, 0 for none, and Want this binary's.
	Have, Want int64
}

// Error implements error.
func (e *SchemaError) Error() string {
	if e.Have > e.Want {
		return fmt.Sprintf("the database has schema version %d and was written by a newer unmask; this one knows version %d", e.Have, e.Want)
	}
	return fmt.Sprintf("the database has schema version %d and this unmask needs version %d; `unmask migrate` brings it up to date", e.Have, e.Want)
}
