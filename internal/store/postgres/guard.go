package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// HeldError says that another process decides on the runs of the database.
type HeldError struct {
	// Database is where, without password.
	Database string
	// Holder is what the other process calls itself, with its address where the
	// database tells it.
	Holder string
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("database %s is in use by %s, and only one process at a time can serve its API and decide: "+
		"talk to the server that runs there (--server), stop it, start this one with --role worker, or name another database", e.Database, e.Holder)
}

// guard holds the advisory lock by which one process at a time decides on the runs
// of a database: tries of one checkpoint count each other under a lock of that
// process. Those that only carry out runs need none. The lock is the session's, so that it goes with the process,
// however that ends.
type guard struct {
	config *pgx.ConnConfig

	mu   sync.Mutex
	conn *pgx.Conn
}

const (
	// guardClass is the first half of the lock's number, "unms" in ASCII; the
	// second is made of the schema's name.
	guardClass = 0x756e6d73
	guardLock  = "SELECT pg_advisory_lock($1::int, hashtext(current_schema()))"
	// guardHolder says who has it. Columns of other users' sessions are NULL
	// unless one may see them.
	guardHolder = `SELECT coalesce(nullif(a.application_name, ''), 'another process'), coalesce(' at ' || host(a.client_addr), ''), l.pid
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND l.classid = $1::int::oid AND l.objid = hashtext(current_schema())::oid AND l.objsubid = 2`
)

// takeGuard takes the lock for holder, or returns a *HeldError.
func takeGuard(ctx context.Context, c *pgx.ConnConfig, holder string) (*guard, error) {
	c = c.Copy()
	// A name is cut at 63 bytes by the server.
	c.RuntimeParams["application_name"] = holder
	// Who starts again at once waits for the server to notice that the last
	// process has ended; and a machine that went away is noticed in half a minute.
	c.RuntimeParams["lock_timeout"] = "2s"
	c.RuntimeParams["idle_session_timeout"] = "0"
	c.RuntimeParams["tcp_keepalives_idle"] = "10"
	c.RuntimeParams["tcp_keepalives_interval"] = "5"
	c.RuntimeParams["tcp_keepalives_count"] = "3"
	g := &guard{config: c}
	return g, g.take(ctx)
}

func (g *guard) take(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, g.config)
	if err != nil {
		return err
	}
	if _, err = conn.Exec(ctx, guardLock, guardClass); err == nil {
		g.conn = conn
		return nil
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == lockNotAvailable {
		err = g.held(ctx, conn)
	}
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

func (g *guard) held(ctx context.Context, conn *pgx.Conn) error {
	e := &HeldError{Database: place(g.config), Holder: "another process"}
	var name, addr string
	var pid int
	err := conn.QueryRow(ctx, guardHolder, guardClass).Scan(&name, &addr, &pid)
	if err == nil {
		e.Holder = fmt.Sprintf("%s%s (backend %d)", name, addr, pid)
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return errors.Join(e, err)
	}
	return e
}

// check makes sure that the lock is still held: it goes when the connection
// breaks, as when the database is restarted, and then it is taken again.
func (g *guard) check(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil && !g.conn.IsClosed() && g.conn.Ping(ctx) == nil {
		return nil
	}
	if g.conn != nil {
		_ = g.conn.Close(ctx) // broken already
		g.conn = nil
	}
	return g.take(ctx)
}

func (g *guard) release(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil {
		return nil
	}
	return g.conn.Close(ctx)
}
