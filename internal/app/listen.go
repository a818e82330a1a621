package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/unmask-eval/unmask/gen"
	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/gateway"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/rpc/interceptor"
	"github.com/unmask-eval/unmask/internal/rpc/validate"
)

// headerTimeout bounds how long a client may take to send its headers.
const headerTimeout = 10 * time.Second

// listen opens the ports of this process's role and serves on them.
func (a *App) listen(ctx context.Context) (*servers, error) {
	s := &servers{failed: make(chan error, 3), log: a.log}
	cfg := a.cfg.Server
	addrs := []string{cfg.OpsAddr, cfg.GRPCAddr, cfg.HTTPAddr}
	if cfg.Role == config.RoleWorker {
		addrs = addrs[:1]
	}
	var lns []net.Listener
	var lc net.ListenConfig
	for _, addr := range addrs {
		ln, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			for _, open := range lns {
				err = errors.Join(err, open.Close())
			}
			return nil, fmt.Errorf("listen on %s: %w", addr, err)
		}
		lns = append(lns, ln)
	}
	s.addrs.Ops = lns[0].Addr()
	var rest http.Handler
	if cfg.Role != config.RoleWorker {
		s.addrs.GRPC, s.addrs.HTTP = lns[1].Addr(), lns[2].Addr()
		checks := a.newGRPC(s)
		go s.serve("gRPC", func() error { return s.grpc.Serve(lns[1]) })
		var err error
		if rest, err = a.newGateway(ctx, s); err != nil {
			return nil, err
		}
		defer checks.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	}
	ops := http.NewServeMux()
	ops.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.Registry, promhttp.HandlerOpts{}))
	gateway.AddHealth(ops, a.store.Ready)
	s.serveHTTP(lns[0], ops)
	if rest != nil {
		s.serveHTTP(lns[2], rest)
	}
	return s, nil
}

// newGateway connects the REST gateway to the gRPC server.
func (a *App) newGateway(ctx context.Context, s *servers) (http.Handler, error) {
	conn, err := grpc.NewClient(dialable(s.addrs.GRPC), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(replyLimit), grpc.MaxCallSendMsgSize(replyLimit)))
	if err != nil {
		return nil, fmt.Errorf("dial the gRPC server for the gateway: %w", err)
	}
	s.conn = conn
	return gateway.New(ctx, gateway.Config{
		Conn: conn, OpenAPI: []byte(gen.OpenAPI), MaxBytes: int64(a.cfg.Server.MaxRequestBytes), Ready: a.store.Ready,
		LoopbackOnly: !a.cfg.Server.AllowRemote,
		Services: []gateway.Register{
			unmaskv1.RegisterScenarioServiceHandler, unmaskv1.RegisterEvaluationServiceHandler,
			unmaskv1.RegisterGradingServiceHandler, unmaskv1.RegisterGateServiceHandler, unmaskv1.RegisterModelServiceHandler,
		},
	})
}

// serveHTTP serves h until the servers stop.
func (s *servers) serveHTTP(ln net.Listener, h http.Handler) {
	srv := &http.Server{Addr: ln.Addr().String(), Handler: h, ReadHeaderTimeout: headerTimeout, ErrorLog: zap.NewStdLog(s.log)}
	s.http = append(s.http, srv)
	go s.serve("HTTP", func() error { return srv.Serve(ln) })
}

// replyLimit bounds messages between the gateway and the gRPC server.
const replyLimit = 256 << 20

// newGRPC builds the gRPC server with every service on it.
func (a *App) newGRPC(s *servers) *health.Server {
	cfg := a.cfg.Server
	steps := interceptor.Chain(interceptor.Deps{
		Log: a.log, Count: a.metrics.Call, Status: rpc.Status, Validate: validate.Request,
		TooLarge: rpc.TooLarge, Timeout: cfg.RequestTimeout, MaxBytes: cfg.MaxRequestBytes,
		MaxStreams: cfg.MaxStreams, TooMany: rpc.TooManyStreams,
	})
	s.grpc = grpc.NewServer(
		grpc.UnaryInterceptor(interceptor.Unary(steps)), grpc.StreamInterceptor(interceptor.Stream(steps)),
		// The size limit of the chain answers with the field's name; this one
		// only keeps what is far beyond it out of memory.
		grpc.MaxRecvMsgSize(cfg.MaxRequestBytes+(1<<20)), grpc.MaxSendMsgSize(replyLimit),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	rpc.Register(s.grpc, rpc.Deps{UseCases: a.service, Graders: a.graders})
	checks := health.NewServer()
	checks.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(s.grpc, checks)
	s.health = checks
	if cfg.Reflection {
		reflection.Register(s.grpc)
	}
	return checks
}

// serve runs one server and reports when it ends by itself.
func (s *servers) serve(what string, fn func() error) {
	err := fn()
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return
	}
	s.failed <- fmt.Errorf("%s server: %w", what, err)
}

// dialable replaces an address that listens everywhere by loopback.
func dialable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
