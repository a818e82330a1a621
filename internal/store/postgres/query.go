package postgres

import (
	"context"
	"database/sql"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/unmask-eval/unmask/internal/store/relational"
)

// dialect is PostgreSQL's SQL.
var dialect = relational.Dialect{
	True: "true", False: "false",
	Contains: func(text, part string) string { return "strpos(" + text + ", " + part + ") > 0" },
	Lock:     " FOR UPDATE",
	// The lock goes with the transaction, and the next statement sees what the one
	// before it has committed. Names that share a hash wait for each other, no more.
	Exclude: "SELECT pg_advisory_xact_lock(1970171763, hashtext(current_schema()::text || ' ' || ?::text))",
}

// numbered remembers queries in the form of number. Queries are constants, so
// there are not many.
var numbered sync.Map

// number turns the question marks of a query into $1, $2 and so on. No query has
// one in a literal.
func number(query string) string {
	if q, ok := numbered.Load(query); ok {
		return q.(string)
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	numbered.Store(query, b.String())
	return b.String()
}

// texts returns arguments in a form that PostgreSQL takes: its text is valid
// UTF-8 without NUL.
func texts(args []any) []any {
	out := args
	replace := func(i int, v any) {
		if &out[0] == &args[0] {
			out = append([]any(nil), args...)
		}
		out[i] = v
	}
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			if t := relational.ToText(v); t != v {
				replace(i, t)
			}
		case sql.NullString:
			if t := relational.ToText(v.String); t != v.String {
				replace(i, sql.NullString{String: t, Valid: v.Valid})
			}
		}
	}
	return out
}

// row is a row whose texts are given back as they were.
type row struct{ rows pgx.Rows }

// Scan implements relational.Scanner.
func (r row) Scan(dest ...any) error {
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	fields := r.rows.FieldDescriptions()
	for i, d := range dest {
		if fields[i].DataTypeOID != pgtype.TextOID {
			continue
		}
		switch v := d.(type) {
		case *string:
			*v = relational.FromText(*v)
		case *[]byte:
			if *v != nil {
				*v = []byte(relational.FromText(string(*v)))
			}
		case *sql.NullString:
			v.String = relational.FromText(v.String)
		default:
			if e := reflect.ValueOf(d).Elem(); e.Kind() == reflect.String {
				e.SetString(relational.FromText(e.String()))
			}
		}
	}
	return nil
}

// querier is a transaction or the pool as a relational.Querier.
type querier struct {
	ctx context.Context
	db  interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
}

// single is the result of a query of one row.
type single struct {
	rows pgx.Rows
	err  error
}

// Scan implements relational.Scanner.
func (s single) Scan(dest ...any) error {
	if s.err != nil {
		return s.err
	}
	defer s.rows.Close()
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := (row{s.rows}).Scan(dest...); err != nil {
		return err
	}
	s.rows.Close()
	return s.rows.Err()
}

// Row implements relational.Querier. Its result has to be scanned.
func (q querier) Row(query string, args ...any) relational.Scanner {
	rows, err := q.db.Query(q.ctx, number(query), texts(args)...)
	return single{rows, err}
}

// Each implements relational.Querier.
func (q querier) Each(fn func(relational.Scanner) error, query string, args ...any) error {
	rows, err := q.db.Query(q.ctx, number(query), texts(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(row{rows}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// writeTx is a transaction as a relational.Tx.
type writeTx struct {
	querier
	tx pgx.Tx
}

func newWriteTx(ctx context.Context, tx pgx.Tx) writeTx {
	return writeTx{querier: querier{ctx: ctx, db: tx}, tx: tx}
}

func (t writeTx) exec(query string, args ...any) (pgconn.CommandTag, error) {
	return t.tx.Exec(t.ctx, number(query), texts(args)...)
}

// Run implements relational.Tx.
func (t writeTx) Run(query string, args ...any) error {
	_, err := t.exec(query, args...)
	return err
}

// Changed implements relational.Tx.
func (t writeTx) Changed(query string, args ...any) (int64, error) {
	tag, err := t.exec(query, args...)
	return tag.RowsAffected(), err
}

// Insert implements relational.Tx.
func (t writeTx) Insert(query string, args ...any) (seq int64, err error) {
	err = t.Row(query+" RETURNING seq", args...).Scan(&seq)
	return seq, err
}

// RunEach implements relational.Tx, in one round trip.
func (t writeTx) RunEach(query string, args [][]any) error {
	if len(args) == 0 {
		return nil
	}
	var b pgx.Batch
	for _, a := range args {
		b.Queue(number(query), texts(a)...)
	}
	return t.tx.SendBatch(t.ctx, &b).Close()
}
