package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// maxReplyBytes bounds one message that a server may send to this client.
const maxReplyBytes = 256 << 20

// target says which server a command talks to.
type target struct {
	server, configFile, storePath string
	drain                         time.Duration
}

func (t *target) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.server, "server", "", "host:port of a running server's gRPC port; without it a server runs in this process")
	f.StringVar(&t.configFile, "config", os.Getenv(config.EnvFile), "settings file for the server in this process (env UNMASK_CONFIG)")
	f.DurationVar(&t.drain, "drain-timeout", 15*time.Second, "how long the server in this process waits for samples in flight when it is interrupted")
	f.StringVar(&t.storePath, "store", "", "SQLite file for the server in this process (default: what the settings name, else in the user's data directory)")
}

// client is a connection to a server, wherever it runs.
type client struct {
	scenarios   unmaskv1.ScenarioServiceClient
	evaluations unmaskv1.EvaluationServiceClient
	gates       unmaskv1.GateServiceClient
	grading     unmaskv1.GradingServiceClient
	models      unmaskv1.ModelServiceClient
	conn        *grpc.ClientConn
	// app is the server in this process, or nil.
	app *app.App
	// storePath is the file in which the server in this process keeps its data, or
	// "", and drain how long it waits for samples in flight.
	storePath string
	drain     time.Duration
}

// connect reaches the server of t, or starts one in this process with the
// settings as adjust changes them. Call close.
func (t *target) connect(ctx context.Context, errOut io.Writer, adjust func(*config.Config)) (*client, error) {
	if t.server != "" {
		if t.configFile != os.Getenv(config.EnvFile) || t.storePath != "" {
			return nil, usageError("--config and --store are for a server in this process; they do not go with --server")
		}
		return dial(t.server)
	}
	flags := map[string]any{}
	if t.storePath != "" {
		flags["store.path"], flags["database.url"] = t.storePath, ""
	}
	cfg, err := config.Load(config.Source{File: t.configFile, Environ: os.Environ(), Flags: flags})
	if err != nil {
		return nil, err
	}
	cfg.Server.GRPCAddr, cfg.Server.HTTPAddr, cfg.Server.OpsAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Log.Level = "error"
	if adjust != nil {
		adjust(&cfg)
		if err := cfg.Validate(); err != nil {
			return nil, err
		}
	}
	log, err := app.NewLogger(errOut, cfg.Log)
	if err != nil {
		return nil, err
	}
	a, err := app.New(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if err := a.Start(ctx); err != nil {
		return nil, errors.Join(err, a.Close(ctx))
	}
	c, err := dial(a.Addrs().GRPC.String())
	if err != nil {
		return nil, errors.Join(err, a.Close(ctx))
	}
	c.app, c.storePath, c.drain = a, cfg.SQLitePath(), t.drain
	return c, nil
}

func dial(addr string) (*client, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReplyBytes)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return &client{
		scenarios:   unmaskv1.NewScenarioServiceClient(conn),
		evaluations: unmaskv1.NewEvaluationServiceClient(conn), gates: unmaskv1.NewGateServiceClient(conn),
		grading: unmaskv1.NewGradingServiceClient(conn), models: unmaskv1.NewModelServiceClient(conn), conn: conn,
	}, nil
}

// close ends the connection and the server in this process, keeping what is in
// flight.
func (c *client) close(ctx context.Context) error {
	err := c.conn.Close()
	if c.app != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.drain)
		defer cancel()
		err = errors.Join(err, c.app.Close(end))
	}
	return err
}

// printError writes an error with the fields that it names, one a line.
func printError(w io.Writer, err error) {
	var withStatus interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &withStatus) {
		fmt.Fprintf(w, "unmask: %s\n", terminal.Safe(err.Error()))
		return
	}
	st := withStatus.GRPCStatus()
	fmt.Fprintf(w, "unmask: %s: %s\n", st.Code(), terminal.Safe(st.Message()))
	for _, d := range st.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fmt.Fprintf(w, "  %s: %s\n", terminal.Safe(v.GetField()), terminal.Safe(v.GetDescription()))
			}
		}
	}
}
