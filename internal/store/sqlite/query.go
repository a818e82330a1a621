package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/unmask-eval/unmask/internal/run"
)

// scanner is a row that is ready to be read.
type scanner interface{ Scan(dest ...any) error }

// failedRow is a row of a query that could not be run.
type failedRow struct{ err error }

// Scan implements scanner.
func (r failedRow) Scan(...any) error { return r.err }

// querier runs a query of one row, in the writer's transaction or in a reader.
type querier interface {
	row(query string, args ...any) scanner
}

// reader is one call's access to the read pool.
type reader struct {
	ctx context.Context
	db  interface {
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

// row implements querier.
func (r reader) row(query string, args ...any) scanner {
	return r.db.QueryRowContext(r.ctx, query, args...)
}

// collect reads every row of a query.
func collect[T any](r reader, scan func(scanner) (T, error), query string, args ...any) (items []T, err error) {
	rows, err := r.db.QueryContext(r.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, rows.Err()
}

// one reads the only row of a query, or says that name does not exist.
func one[T any](q querier, scan func(scanner) (T, error), name, query string, args ...any) (T, error) {
	item, err := scan(q.row(query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		err = &run.NotFoundError{Name: name}
	}
	return item, err
}

// required turns "no row was changed" into "name does not exist".
func required(n int64, err error, name string) error {
	if err == nil && n == 0 {
		return &run.NotFoundError{Name: name}
	}
	return err
}

func isNotFound(err error) bool {
	var nf *run.NotFoundError
	return errors.As(err, &nf)
}

// micros is a time as it is stored. The zero time survives.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// stored is a time as it will be read back.
func stored(t time.Time) time.Time { return fromMicros(micros(t)) }

// optional is NULL for the zero time.
func optional(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: micros(t), Valid: !t.IsZero()}
}

func fromOptional(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return fromMicros(us.Int64)
}
