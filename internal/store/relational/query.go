package relational

import (
	"database/sql"
	"errors"
	"time"

	"github.com/unmask-eval/unmask/internal/run"
)

// Collect reads every row of a query.
func Collect[T any](q Querier, scan func(Scanner) (T, error), query string, args ...any) (items []T, err error) {
	err = q.Each(func(row Scanner) error {
		item, err := scan(row)
		if err == nil {
			items = append(items, item)
		}
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return items, nil
}

// one reads the only row of a query, or says that name does not exist.
func one[T any](q Querier, scan func(Scanner) (T, error), name, query string, args ...any) (T, error) {
	item, err := scan(q.Row(query, args...))
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
