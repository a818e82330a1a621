package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/ledger"
	"github.com/unmask-eval/unmask/internal/model/limit"
)

// sharingConnections are the most that the sharing of limits takes of PostgreSQL.
const sharingConnections = 2

// sharing makes the limits of endpoints hold over all processes of a database. The
// zero value shares nothing, as is right for one process alone.
type sharing struct {
	pool  *pgxpool.Pool
	stops []func(context.Context) error
}

// share begins to share the limits of all endpoints. Nothing may have been called.
func (m *models) share(ctx context.Context, cfg config.Config, log *zap.Logger) (s sharing, err error) {
	if !cfg.Postgres() || len(m.limiters) == 0 {
		return sharing{}, nil
	}
	if s.pool, err = openPool(ctx, cfg.Database.URL, sharingConnections); err != nil {
		return sharing{}, err
	}
	book := ledger.New(s.pool)
	if err := book.Check(ctx); err != nil {
		s.pool.Close()
		return sharing{}, err
	}
	process := rand.Text()
	names := map[string][]string{}
	for _, c := range m.configs {
		names[endpointKey(c)] = append(names[endpointKey(c)], c.Name)
	}
	for key, limiter := range m.limiters {
		slices.Sort(names[key])
		log := log.With(zap.Strings("models", names[key]))
		digest := sha256.Sum256([]byte(key))
		s.stops = append(s.stops, limiter.Share(limit.Sharing{
			Ledger: book, Endpoint: hex.EncodeToString(digest[:]), Process: process,
			Failed: func(err error) {
				log.Warn("the share of the limits of an endpoint cannot be renewed; calls end when it expires", zap.Duration("expiry", limit.Hold), zap.Error(err))
			},
			Renewed: func() { log.Info("the share of the limits of an endpoint is renewed again") },
		}))
	}
	return s, nil
}

// close gives all shares back. No call may be in flight.
func (s sharing) close(ctx context.Context) error {
	if s.pool == nil {
		return nil
	}
	errs := make([]error, len(s.stops))
	var wg sync.WaitGroup
	for i, stop := range s.stops {
		wg.Go(func() { errs[i] = stop(ctx) })
	}
	wg.Wait()
	s.pool.Close()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("give back shares of limits, which expire by themselves: %w", err)
	}
	return nil
}
