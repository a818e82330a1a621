package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/telemetry"
)

// queueConnections are the most that the queue takes of PostgreSQL. One of them
// listens; few are needed, for no job has a transaction open while it is worked on.
const queueConnections = 8

// queue is the engine with the connections that it uses.
type queue struct {
	*engine.Queue
	pool *pgxpool.Pool // nil in memory
}

// openQueue returns the queue that goes with the store of the settings: one process
// alone uses an SQLite file, and those that use one PostgreSQL database share it.
func openQueue(ctx context.Context, cfg config.Config, log *zap.Logger) (queue, error) {
	c := engine.Config{Log: telemetry.Slog(log.Named("queue")), Replica: cfg.Server.Replica}
	if !cfg.Postgres() {
		return queue{Queue: engine.NewMemory(c)}, nil
	}
	pool, err := openPool(ctx, cfg.Database.URL)
	if err != nil {
		return queue{}, err
	}
	return queue{engine.NewPostgres(pool, c), pool}, nil
}

// openPool connects when it is first used. Its errors have no password in them.
func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("database.url cannot be read")
	}
	c.MaxConns = queueConnections
	return pgxpool.NewWithConfig(ctx, c)
}

func (q queue) close() {
	if q.pool != nil {
		q.pool.Close()
	}
}

// queueLock is the advisory lock under which the queue's tables are made, a
// number that was drawn at random.
const queueLock = 7_263_911_480_552_301

// migrateQueue brings the queue's tables up to date. Several may do so at once.
func migrateQueue(ctx context.Context, url string) (err error) {
	pool, err := openPool(ctx, url)
	if err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	defer pool.Close()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(queueLock)); err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	defer func() {
		_, unlock := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(queueLock))
		err = errors.Join(err, unlock)
	}()
	return engine.MigratePostgres(ctx, pool)
}
