package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// NewPostgres returns a queue in a PostgreSQL database that MigratePostgres has
// made ready, shared by every process that uses it. The caller keeps the pool, and
// closes it after Stop; of its connections, one listens for new jobs.
func NewPostgres(pool *pgxpool.Pool, c Config) *Queue { return newQueue(c, &postgres{pool: pool}) }

// replicaTable has the heartbeats of replicas by the database's clock.
const replicaTable = `CREATE TABLE IF NOT EXISTS unmask_replica (
	id   text PRIMARY KEY,
	name text NOT NULL,
	seen timestamptz NOT NULL
)`

// MigratePostgres brings the queue's tables up to date.
func MigratePostgres(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: Config{}.complete().Log})
	if err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	if _, err := pool.Exec(ctx, replicaTable); err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	return nil
}

type postgres struct{ pool *pgxpool.Pool }

// open refuses a database whose tables are not those of this binary.
func (p *postgres) open(ctx context.Context) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(p.pool), &rivermigrate.Config{Logger: Config{}.complete().Log})
	if err != nil {
		return err
	}
	res, err := migrator.Validate(ctx, nil)
	if err != nil {
		return err
	}
	if !res.OK {
		return fmt.Errorf("its tables are not up to date, migrate the database first: %v", res.Messages)
	}
	return nil
}

func (p *postgres) newClient(c *river.Config) (client, error) {
	return river.NewClient(riverpgxv5.New(p.pool), c)
}

func (p *postgres) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := p.pool.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (p *postgres) jobs(ctx context.Context, query string, args ...any) ([]job, error) {
	rows, err := p.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (j job, err error) {
		err = row.Scan(&j.kind, &j.args)
		return j, err
	})
}

func (*postgres) statements() statements {
	const mine = ` AND args ->> 'project' = $1 AND args ->> 'evaluation' = $2 AND args ->> 'run' = $3`
	return statements{active: `SELECT kind, args` + activeWhere + mine, drop: dropWhere + mine}
}

func (*postgres) pollInterval() time.Duration { return 500 * time.Millisecond }

func (*postgres) shared() bool { return true }

func (*postgres) close() error { return nil }
