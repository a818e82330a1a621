package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	// The driver registers itself under the name "sqlite".
	_ "modernc.org/sqlite"
)

// memoryRuns makes the names of databases in memory unique.
var memoryRuns atomic.Int64

// NewMemory returns a queue in the memory of this process. Nothing is opened
// before Start.
//
// The rows of the store are the record of a run and one process alone may use an
// SQLite store, so there is nobody to share the queue with, and nothing in it that
// would be missed. In the store's own file, every job would contend with samples
// for SQLite's one writer (docs/decisions/0014-engine.md).
func NewMemory(c Config) *Queue { return newQueue(c, &memory{}) }

type memory struct {
	// db is River's one connection. anchor keeps the database alive when that is
	// closed, as database/sql may do at any time.
	db, anchor *sql.DB
}

func (m *memory) open(ctx context.Context) (err error) {
	dsn := fmt.Sprintf("file:/unmask-queue-%d?vfs=memdb&_txlock=immediate&_pragma=busy_timeout(10000)", memoryRuns.Add(1))
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	for _, db := range []**sql.DB{&m.anchor, &m.db} {
		if *db, err = sql.Open("sqlite", dsn); err != nil {
			return err
		}
		(*db).SetMaxOpenConns(1)
		(*db).SetMaxIdleConns(1)
		if err := (*db).PingContext(ctx); err != nil {
			return err
		}
	}
	migrator, err := rivermigrate.New(m.driver(), &rivermigrate.Config{Logger: Config{}.complete().Log})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// local is River's driver for a database that no other process uses: its own
// insertions wake the client, and polling for those of others would be in vain.
type local struct{ *riversqlite.Driver }

// SupportsListener implements riverdriver.Driver.
func (local) SupportsListener() bool { return false }

// SupportsListenNotify implements riverdriver.Driver.
func (local) SupportsListenNotify() bool { return false }

func (m *memory) driver() local { return local{riversqlite.New(m.db)} }

func (m *memory) newClient(c *river.Config) (client, error) { return river.NewClient(m.driver(), c) }

func (m *memory) exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := m.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (m *memory) jobs(ctx context.Context, query string, args ...any) (out []job, err error) {
	rows, err := m.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var j job
		if err := rows.Scan(&j.kind, &j.args); err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, rows.Err()
}

func (*memory) statements() statements {
	const mine = ` AND args ->> 'project' = ? AND args ->> 'evaluation' = ? AND args ->> 'run' = ?`
	return statements{active: `SELECT kind, json(args)` + activeWhere + mine, drop: dropWhere + mine}
}

func (*memory) pollInterval() time.Duration { return 500 * time.Millisecond }

func (*memory) shared() bool { return false }

func (m *memory) close() error {
	var errs []error
	for _, db := range []*sql.DB{m.db, m.anchor} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
