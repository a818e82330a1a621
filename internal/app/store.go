package app

import (
	"context"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/postgres"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
)

// store is a run.Store that is closed at the end.
type store interface {
	run.Store
	Close(ctx context.Context) error
}

// openStore opens the store that the settings name.
func openStore(ctx context.Context, cfg config.Config) (store, error) {
	if cfg.Postgres() {
		s, err := postgres.Open(ctx, postgres.Config{URL: cfg.Database.URL, MaxConnections: cfg.Database.MaxConnections})
		if err != nil {
			return nil, err // not a store that is nil
		}
		return s, nil
	}
	s, err := sqlite.Open(ctx, sqlite.Config{Path: cfg.SQLitePath()})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Place says where the settings keep everything: a file, or a PostgreSQL URL
// without password.
func Place(cfg config.Config) string {
	if cfg.Postgres() {
		return postgres.Redact(cfg.Database.URL)
	}
	return cfg.SQLitePath()
}

// Migrate brings the schema of the store that the settings name up to date, and
// returns its version before and after.
func Migrate(ctx context.Context, cfg config.Config) (from, to int64, err error) {
	if cfg.Postgres() {
		if from, to, err = postgres.Migrate(ctx, cfg.Database.URL); err != nil {
			return from, to, err
		}
		return from, to, migrateShared(ctx, cfg.Database.URL)
	}
	return sqlite.Migrate(ctx, sqlite.Config{Path: cfg.SQLitePath()})
}
