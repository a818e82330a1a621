package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/unmask-eval/unmask/internal/store/relational"
)

// dialect is SQLite's SQL.
var dialect = relational.Dialect{
	True: "1", False: "0",
	Contains: func(text, part string) string { return "instr(" + text + ", " + part + ") > 0" },
}

// failedRow is a row of a query that could not be run.
type failedRow struct{ err error }

// Scan implements relational.Scanner.
func (r failedRow) Scan(...any) error { return r.err }

// reader is one call's access to the read pool, a relational.Querier.
type reader struct {
	ctx context.Context
	db  interface {
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

// Row implements relational.Querier.
func (r reader) Row(query string, args ...any) relational.Scanner {
	return r.db.QueryRowContext(r.ctx, query, args...)
}

// Each implements relational.Querier.
func (r reader) Each(fn func(relational.Scanner) error, query string, args ...any) error {
	rows, err := r.db.QueryContext(r.ctx, query, args...)
	return each(rows, err, fn)
}

func each(rows *sql.Rows, err error, fn func(relational.Scanner) error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := fn(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
