package rpc_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/rpc/interceptor"
	"github.com/unmask-eval/unmask/internal/rpc/validate"
	"github.com/unmask-eval/unmask/internal/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The use-cases are what the services are wired to.
var _ rpc.UseCases = (*run.Service)(nil)

// maxBytes is the size limit of the server in the tests.
const maxBytes = 1 << 20

// serve puts the services on a server with the real chain of interceptors and
// returns a connection to it.
func serve(t *testing.T, use rpc.UseCases, graders ...grading.Grader) *grpc.ClientConn {
	t.Helper()
	steps := interceptor.Chain(interceptor.Deps{
		Log: zap.NewNop(), Count: func(string, string, time.Duration) {}, Status: rpc.Status, Validate: validate.Request,
		TooLarge: rpc.TooLarge, Timeout: 10 * time.Second, MaxBytes: maxBytes, MaxStreams: 64, TooMany: rpc.TooManyStreams,
	})
	server := grpc.NewServer(grpc.UnaryInterceptor(interceptor.Unary(steps)), grpc.StreamInterceptor(interceptor.Stream(steps)))
	rpc.Register(server, rpc.Deps{UseCases: use, Graders: graders})
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-served)
	})
	return conn
}

// details are the parts of an error that a client sees.
type details struct {
	info     *errdetails.ErrorInfo
	bad      *errdetails.BadRequest
	retry    *errdetails.RetryInfo
	leftOver []any
}

// detailsOf takes an error apart and requires that it has exactly one ErrorInfo.
func detailsOf(t *testing.T, err error) details {
	t.Helper()
	var d details
	infos := 0
	for _, detail := range status.Convert(err).Details() {
		switch v := detail.(type) {
		case *errdetails.ErrorInfo:
			infos++
			d.info = v
		case *errdetails.BadRequest:
			d.bad = v
		case *errdetails.RetryInfo:
			d.retry = v
		default:
			d.leftOver = append(d.leftOver, v)
		}
	}
	require.Equal(t, 1, infos, "an error has exactly one ErrorInfo: %v", err)
	require.Equal(t, rpc.ErrorDomain, d.info.GetDomain())
	require.Empty(t, d.leftOver)
	return d
}

// fields returns the paths of the fields at fault.
func (d details) fields() []string {
	var out []string
	for _, v := range d.bad.GetFieldViolations() {
		out = append(out, v.GetField())
	}
	return out
}
