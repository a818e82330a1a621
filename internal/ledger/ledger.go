// Package ledger keeps the accounts by which processes share the limits of endpoints
// (limit.Ledger) in a PostgreSQL database. An account is a row with a row for each
// process; every change of it is one short transaction under the lock of its row. No
// call to a model waits for one.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/unmask-eval/unmask/internal/model/limit"
)

// tables are the accounts and their members. Times named clock, renewed, turn, evened,
// paused_until and opened_at are nanoseconds of the account's clock; seen is the
// database's.
const tables = `
CREATE TABLE IF NOT EXISTS unmask_limit (
	endpoint       text COLLATE "C" PRIMARY KEY,
	clock          bigint NOT NULL DEFAULT 0,
	seen           timestamptz NOT NULL DEFAULT clock_timestamp(),
	requests_level float8 NOT NULL DEFAULT 'Infinity',
	tokens_level   float8 NOT NULL DEFAULT 'Infinity',
	paused_until   bigint NOT NULL DEFAULT 0,
	openings       bigint NOT NULL DEFAULT 0,
	opened_at      bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS unmask_limit_share (
	endpoint            text COLLATE "C" NOT NULL REFERENCES unmask_limit ON DELETE CASCADE,
	process             text COLLATE "C" NOT NULL,
	seq                 bigint NOT NULL,
	renewed             bigint NOT NULL,
	max_concurrency     bigint NOT NULL,
	requests_per_minute bigint NOT NULL,
	tokens_per_minute   bigint NOT NULL,
	want                bigint NOT NULL,
	in_flight           bigint NOT NULL,
	charged             bigint NOT NULL,
	turn                bigint NOT NULL,
	search_limit        bigint NOT NULL,
	search_shift        bigint NOT NULL,
	evened              bigint NOT NULL,
	requests_need       float8 NOT NULL,
	requests_first      float8 NOT NULL,
	requests_hand       float8 NOT NULL,
	requests_balance    float8 NOT NULL,
	requests_drawn      bigint NOT NULL,
	tokens_need         float8 NOT NULL,
	tokens_first        float8 NOT NULL,
	tokens_hand         float8 NOT NULL,
	tokens_balance      float8 NOT NULL,
	tokens_drawn        bigint NOT NULL,
	PRIMARY KEY (endpoint, process)
)`

const (
	// lock takes an account, and the time of the database when it has got it.
	lock = `SELECT clock, seen, requests_level, tokens_level, paused_until, openings, opened_at, clock_timestamp()
		FROM unmask_limit WHERE endpoint = $1 FOR UPDATE`
	// found makes an account, and purge forgets those that nobody has used for long.
	found   = `INSERT INTO unmask_limit (endpoint) VALUES ($1) ON CONFLICT DO NOTHING`
	purge   = `DELETE FROM unmask_limit WHERE seen < now() - interval '30 days'`
	members = `SELECT process, seq, renewed, max_concurrency, requests_per_minute, tokens_per_minute, want, in_flight, charged, turn,
		search_limit, search_shift, evened,
		requests_need, requests_first, requests_hand, requests_balance, requests_drawn,
		tokens_need, tokens_first, tokens_hand, tokens_balance, tokens_drawn
		FROM unmask_limit_share WHERE endpoint = $1`
	keep = `UPDATE unmask_limit SET clock = $2, seen = $3, requests_level = $4, tokens_level = $5, paused_until = $6, openings = $7, opened_at = $8
		WHERE endpoint = $1`
	put = `INSERT INTO unmask_limit_share VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
		ON CONFLICT (endpoint, process) DO UPDATE SET seq = excluded.seq, renewed = excluded.renewed,
		max_concurrency = excluded.max_concurrency, requests_per_minute = excluded.requests_per_minute, tokens_per_minute = excluded.tokens_per_minute,
		want = excluded.want, in_flight = excluded.in_flight, charged = excluded.charged, turn = excluded.turn,
		search_limit = excluded.search_limit, search_shift = excluded.search_shift, evened = excluded.evened,
		requests_need = excluded.requests_need, requests_first = excluded.requests_first, requests_hand = excluded.requests_hand,
		requests_balance = excluded.requests_balance, requests_drawn = excluded.requests_drawn,
		tokens_need = excluded.tokens_need, tokens_first = excluded.tokens_first, tokens_hand = excluded.tokens_hand,
		tokens_balance = excluded.tokens_balance, tokens_drawn = excluded.tokens_drawn`
	drop = `DELETE FROM unmask_limit_share WHERE endpoint = $1 AND process = $2`
)

// lockTimeout bounds the wait for an account: whoever holds it is done in a moment,
// or stuck.
const lockTimeout = "SET LOCAL lock_timeout = '2s'"

// Ledger implements limit.Ledger.
type Ledger struct{ pool *pgxpool.Pool }

var _ limit.Ledger = (*Ledger)(nil)

// New returns the ledger of a database that Migrate has made ready. The caller keeps
// the pool, and closes it when the sharing has ended.
func New(pool *pgxpool.Pool) *Ledger { return &Ledger{pool} }

// Migrate makes the tables. Several may do so at once only under a lock of theirs.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, tables); err != nil {
		return fmt.Errorf("make the tables of limits: %w", err)
	}
	return nil
}

// Check returns an error when the tables are not there.
func (l *Ledger) Check(ctx context.Context) error {
	for _, query := range []string{"SELECT FROM unmask_limit LIMIT 0", "SELECT FROM unmask_limit_share LIMIT 0"} {
		if _, err := l.pool.Exec(ctx, query); err != nil {
			if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.Code == undefinedTable {
				return errors.New("there are no tables of limits, migrate the database first")
			}
			return fmt.Errorf("look for the tables of limits: %w", err)
		}
	}
	return nil
}

const undefinedTable = "42P01"

// Renew implements limit.Ledger.
func (l *Ledger) Renew(ctx context.Context, endpoint string, r limit.Report) (g limit.Grant, err error) {
	err = l.change(ctx, endpoint, func(a *limit.Account, now time.Time) error {
		var err error
		g, err = a.Renew(now, r)
		return err
	})
	if err != nil {
		return limit.Grant{}, fmt.Errorf("renew a share of limits: %w", err)
	}
	return g, nil
}

// Leave implements limit.Ledger.
func (l *Ledger) Leave(ctx context.Context, endpoint string, r limit.Report) error {
	err := l.change(ctx, endpoint, func(a *limit.Account, now time.Time) error {
		a.Leave(now, r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("give a share of limits back: %w", err)
	}
	return nil
}

// change reads an account under its lock, and keeps what f makes of it.
func (l *Ledger) change(ctx context.Context, endpoint string, f func(*limit.Account, time.Time) error) error {
	// Each statement has to see what was committed before it.
	return pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		a, now, err := read(ctx, tx, endpoint)
		if errors.Is(err, pgx.ErrNoRows) {
			if _, err := tx.Exec(ctx, found, endpoint); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, purge); err != nil {
				return err
			}
			a, now, err = read(ctx, tx, endpoint)
		}
		if err != nil {
			return err
		}
		before := make(map[string]limit.Member, len(a.Members))
		for name, m := range a.Members {
			before[name] = *m
		}
		if err := f(a, now); err != nil {
			return err
		}
		return tx.SendBatch(ctx, write(endpoint, a, before)).Close()
	})
}

// read locks and reads an account in one round trip; each of the statements sees what
// was committed before it began, so the members are those of the account.
func read(ctx context.Context, tx pgx.Tx, endpoint string) (*limit.Account, time.Time, error) {
	batch := &pgx.Batch{}
	batch.Queue(lockTimeout)
	batch.Queue(lock, endpoint)
	batch.Queue(members, endpoint)
	results := tx.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }() // its error is that of a statement, which is returned
	a := &limit.Account{Members: map[string]*limit.Member{}}
	var now time.Time
	if _, err := results.Exec(); err != nil {
		return nil, now, err
	}
	if err := results.QueryRow().Scan(&a.Clock, &a.Seen, &a.Requests, &a.Tokens, &a.PausedUntil, &a.Openings, &a.OpenedAt, &now); err != nil {
		return nil, now, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, now, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		m := &limit.Member{}
		q, t := &m.Requests, &m.Tokens
		if err := rows.Scan(&name, &m.Seq, &m.Renewed, &m.Bounds.MaxConcurrency, &m.Bounds.RequestsPerMinute, &m.Bounds.TokensPerMinute,
			&m.Want, &m.InFlight, &m.Charged, &m.Turn, &m.Limit, &m.Shift, &m.Evened,
			&q.Need, &q.First, &q.Hand, &q.Balance, &q.Drawn, &t.Need, &t.First, &t.Hand, &t.Balance, &t.Drawn); err != nil {
			return nil, now, err
		}
		a.Members[name] = m
	}
	return a, now, rows.Err()
}

// write is what has changed of an account.
func write(endpoint string, a *limit.Account, before map[string]limit.Member) *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue(keep, endpoint, a.Clock, a.Seen, finite(a.Requests), finite(a.Tokens), a.PausedUntil, a.Openings, a.OpenedAt)
	for name, m := range a.Members {
		if old, ok := before[name]; ok && old == *m {
			continue
		}
		q, t := m.Requests, m.Tokens
		batch.Queue(put, endpoint, name, m.Seq, m.Renewed, m.Bounds.MaxConcurrency, m.Bounds.RequestsPerMinute, m.Bounds.TokensPerMinute,
			m.Want, m.InFlight, m.Charged, m.Turn, m.Limit, m.Shift, m.Evened,
			q.Need, q.First, q.Hand, q.Balance, q.Drawn, t.Need, t.First, t.Hand, t.Balance, t.Drawn)
	}
	for name := range before {
		if _, ok := a.Members[name]; !ok {
			batch.Queue(drop, endpoint, name)
		}
	}
	return batch
}

// finite keeps what is not a number out of the database; infinite levels may stay.
func finite(level float64) float64 {
	if math.IsNaN(level) {
		return 0
	}
	return level
}
