package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
)

func newServe() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server: gRPC, REST and metrics", Args: noArgs,
		Long: `Run the server until it is interrupted, and continue unfinished runs.

Settings come from defaults, the file of --config, the environment
(UNMASK_SERVER_GRPC_ADDR for server.grpc_addr) and flags, each overriding the
one before. docs/configuration.md lists them.`,
	}
	cmd.Flags().StringVar(&file, "config", os.Getenv(config.EnvFile), "settings file in YAML (env UNMASK_CONFIG)")
	addSettings(cmd.Flags())
	role := cmd.Flags().String("role", config.RoleAll, "all; or worker, to carry out runs without an API; or api, to leave that to others (server.role)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		flags := changedSettings(cmd.Flags())
		if cmd.Flags().Changed("role") {
			flags["server.role"] = *role
		}
		cfg, err := config.Load(config.Source{File: file, Environ: os.Environ(), Flags: flags})
		if err != nil {
			return err
		}
		log, err := app.NewLogger(cmd.ErrOrStderr(), cfg.Log)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), cfg, log)
	}
	return cmd
}

func serve(ctx context.Context, cfg config.Config, log *zap.Logger) error {
	a, err := app.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	err = a.Start(ctx)
	if err == nil {
		err = a.Resume(ctx)
	}
	if err == nil {
		addrs := a.Addrs()
		fields := []zap.Field{
			zap.String("role", cfg.Server.Role), zap.Stringer("ops", addrs.Ops), zap.String("store", app.Place(cfg)), zap.String("version", version),
		}
		if addrs.GRPC != nil {
			fields = append(fields, zap.Stringer("grpc", addrs.GRPC), zap.Stringer("http", addrs.HTTP))
		}
		log.Info("serving", fields...)
		err = a.Wait(ctx)
		log.Info("draining", zap.Duration("deadline", cfg.Server.DrainTimeout))
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Server.DrainTimeout)
	defer cancel()
	if closeErr := a.Close(end); closeErr != nil {
		log.Warn("stopped before everything was done", zap.Error(closeErr))
		if !errors.Is(closeErr, context.DeadlineExceeded) {
			err = errors.Join(err, closeErr)
		}
	}
	log.Info("stopped")
	return err
}

// addSettings makes a flag of every scalar setting, with its default.
func addSettings(f *pflag.FlagSet) {
	d := config.Default()
	f.String("server.replica", d.Server.Replica, "lasting name of this process among those that share a PostgreSQL database")
	f.String("server.grpc-addr", d.Server.GRPCAddr, "host:port of gRPC")
	f.String("server.http-addr", d.Server.HTTPAddr, "host:port of REST and OpenAPI")
	f.String("server.ops-addr", d.Server.OpsAddr, "host:port of metrics and health")
	f.Bool("server.allow-remote", d.Server.AllowRemote, "listen beyond loopback, without authentication")
	f.Bool("server.reflection", d.Server.Reflection, "serve gRPC reflection")
	f.Int("server.max-request-bytes", d.Server.MaxRequestBytes, "most bytes of one request")
	f.Int("server.max-streams", d.Server.MaxStreams, "most streams open at once")
	f.Duration("server.request-timeout", d.Server.RequestTimeout, "deadline of unary calls that bring none")
	f.Duration("server.drain-timeout", d.Server.DrainTimeout, "how long a graceful stop may take")
	addDatabase(f)
	f.Int("runs.max-in-progress", d.Runs.MaxInProgress, "most runs in progress at once")
	f.String("runs.record", d.Runs.Record, "file to which every exchange with a model is added")
	f.Duration("retention.transcripts", d.Retention.Transcripts, "how long texts of transcripts are kept after their run; 0 for ever")
	f.Duration("retention.runs", d.Retention.Runs, "how long runs are kept after their end; 0 for ever")
	f.String("log.level", d.Log.Level, "debug, info, warn or error")
	f.String("log.format", d.Log.Format, "json or console")
}

// addDatabase makes a flag of every setting that says where everything is kept.
func addDatabase(f *pflag.FlagSet) {
	d := config.Default()
	f.String("store.path", d.Store.Path, "SQLite file, unless --database.url names another database")
	f.String("database.url", d.Database.URL, "sqlite:PATH or postgres://...; better in UNMASK_DATABASE_URL when it has a password")
	f.Int("database.max-connections", d.Database.MaxConnections, "most connections to PostgreSQL")
}

// changedSettings returns the flags that were given, by their keys.
func changedSettings(f *pflag.FlagSet) map[string]any {
	out := map[string]any{}
	f.Visit(func(flag *pflag.Flag) {
		if strings.Contains(flag.Name, ".") {
			out[strings.ReplaceAll(flag.Name, "-", "_")] = flag.Value.String()
		}
	})
	return out
}

// self is how the user called this program: a hint has to work as it is printed,
// also for somebody who has only typed "go run".
func self() string {
	if dir, name := filepath.Split(os.Args[0]); name == "unmask" && strings.Contains(dir, "go-build") {
		return "go run ./cmd/unmask"
	}
	return "unmask"
}

// hint prints a line for people on standard error.
func hint(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
}
