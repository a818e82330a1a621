// Package app puts the service together: it is the only place that knows every
// adapter. New builds, Start listens, Close stops, newest first.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/telemetry"
)

// App is the service in this process.
type App struct {
	cfg     config.Config
	log     *zap.Logger
	metrics *telemetry.Metrics
	graders graders
	store   store
	queue   queue
	models  *models
	sharing sharing
	service *run.Service
	servers *servers
	closing sync.Once
	closed  error
}

// NewLogger returns the logger that the settings ask for, writing to w.
func NewLogger(w io.Writer, c config.Log) (*zap.Logger, error) {
	return telemetry.NewLogger(w, c.Level, c.Format)
}

// New builds everything and opens the store. Nothing listens or runs yet.
func New(ctx context.Context, cfg config.Config, log *zap.Logger) (*App, error) {
	library, err := scenario.NewLibrary()
	if err != nil {
		return nil, fmt.Errorf("load the scenario library: %w", err)
	}
	a := &App{cfg: cfg, log: log, metrics: telemetry.NewMetrics()}
	controls := newControls()
	simulated := SimOptions(library)
	simulated.Harmless = controls.known
	if a.models, err = newModels(cfg.Models, simulated); err != nil {
		return nil, err
	}
	a.metrics.WatchModels(a.models.ListModels)
	// Judges are asked through what records, too.
	if err := a.models.record(cfg.Runs.Record); err != nil {
		return nil, errors.Join(err, a.models.close())
	}
	if a.graders, err = newGraders(cfg.Graders, a.models); err != nil {
		return nil, errors.Join(err, a.models.close())
	}
	if a.store, err = openStore(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), a.models.close())
	}
	if a.queue, err = openQueue(ctx, cfg, log); err != nil {
		return nil, errors.Join(fmt.Errorf("open the queue: %w", err), a.models.close(), a.store.Close(ctx))
	}
	if a.sharing, err = a.models.share(ctx, cfg, log.Named("limits")); err != nil {
		return nil, errors.Join(fmt.Errorf("share the limits of endpoints: %w", err), a.Close(ctx))
	}
	a.service, err = run.New(run.Deps{
		Store: learningStore{a.store, controls}, Scenarios: scenarios{library}, Models: a.models, Graders: a.graders, Prices: a.models, Registry: a.models,
		Queue:     a.queue.Queue,
		QueueOnly: cfg.Server.Role == config.RoleAPI,
		Observer:  telemetry.NewObserver(log, a.metrics), MaxRuns: cfg.Runs.MaxInProgress,
		Retention: run.Retention{Transcripts: cfg.Retention.Transcripts, Runs: cfg.Retention.Runs},
	})
	if err != nil {
		return nil, errors.Join(err, a.Close(ctx))
	}
	return a, nil
}

// Start listens on the configured addresses.
func (a *App) Start(ctx context.Context) error {
	s, err := a.listen(ctx)
	if err != nil {
		return err
	}
	a.servers = s
	return nil
}

// Resume continues every unfinished run in the store.
func (a *App) Resume(ctx context.Context) error { return a.service.Resume(ctx) }

// Prune removes what is too old.
func (a *App) Prune(ctx context.Context, in run.Prune) (run.Pruned, error) {
	return a.service.Prune(ctx, in)
}

// ResumeRun continues one unfinished run; one that has ended is left alone.
func (a *App) ResumeRun(ctx context.Context, key run.RunKey) error {
	return a.service.ResumeRun(ctx, key)
}

// Addrs are the addresses that an App listens on; a worker has Ops alone.
type Addrs struct{ GRPC, HTTP, Ops net.Addr }

// Addrs returns the addresses, after Start.
func (a *App) Addrs() Addrs { return a.servers.addrs }

// Wait returns the error of a server that stopped by itself, or nil when ctx ends.
func (a *App) Wait(ctx context.Context) error {
	select {
	case err := <-a.servers.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// Close stops in an order in which nobody loses what was accepted: new work is
// refused, watchers are told, samples in flight are kept, servers stop, and
// the store closes last. ctx bounds it; what is not done by then is given up.
// Closing again returns what the first time did.
func (a *App) Close(ctx context.Context) error {
	a.closing.Do(func() { a.closed = a.close(ctx) })
	return a.closed
}

func (a *App) close(ctx context.Context) error {
	var errs []error
	if a.servers != nil {
		a.servers.notServing()
	}
	if a.service != nil {
		errs = append(errs, a.service.Close(ctx))
	}
	if a.servers != nil {
		errs = append(errs, a.servers.stop(ctx))
	}
	// What follows is done even when ctx has ended: shares are waited for by others,
	// and to be closed is what keeps the store whole.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	errs = append(errs, a.sharing.close(end), a.models.close())
	a.queue.close()
	errs = append(errs, a.store.Close(end))
	return errors.Join(errs...)
}

// servers are the listening parts. Those of the API are nil in a worker.
type servers struct {
	addrs  Addrs
	grpc   *grpc.Server
	health interface{ Shutdown() }
	conn   *grpc.ClientConn
	http   []*http.Server
	failed chan error
	log    *zap.Logger
}

// notServing tells health checks before anything is refused.
func (s *servers) notServing() {
	if s.health != nil {
		s.health.Shutdown()
	}
}

// stop ends HTTP first, since its calls are calls of the gRPC server.
func (s *servers) stop(ctx context.Context) error {
	var errs []error
	for _, h := range s.http {
		if err := h.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", h.Addr, err), h.Close())
		}
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.grpc == nil {
		return errors.Join(errs...)
	}
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
	return errors.Join(errs...)
}
