package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/telemetry"
	testserver "github.com/unmask-eval/unmask/internal/testkit/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

// buffer is a log that tests read.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// server is a whole service on free loopback ports.
type server struct {
	t    *testing.T
	app  *app.App
	log  *buffer
	conn *grpc.ClientConn
	http *http.Client
}

func start(t *testing.T, change ...func(*config.Config)) *server {
	t.Helper()
	cfg := config.Default()
	cfg.Server.GRPCAddr, cfg.Server.HTTPAddr, cfg.Server.OpsAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Store.Path = filepath.Join(t.TempDir(), "unmask.db")
	cfg.Log.Level = "debug"
	for _, c := range change {
		c(&cfg)
	}
	require.NoError(t, cfg.Validate())
	s := &server{t: t, log: &buffer{}, http: &http.Client{Timeout: time.Minute}}
	log, err := telemetry.NewLogger(s.log, cfg.Log.Level, cfg.Log.Format)
	require.NoError(t, err)
	s.app, err = app.New(t.Context(), cfg, log)
	require.NoError(t, err)
	require.NoError(t, s.app.Start(t.Context()))
	require.NoError(t, s.app.Resume(t.Context()))
	s.conn, err = grpc.NewClient(s.app.Addrs().GRPC.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.conn.Close())
		s.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, s.app.Close(ctx))
	})
	return s
}

// answer is an HTTP answer, read.
type answer struct {
	code   int
	header http.Header
	body   string
}

// do sends a request to the REST port; a body that is not empty is sent as JSON.
func (s *server) do(method, path, body string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.app.Addrs().HTTP.String()+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := s.http.Do(req)
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, resp.Body.Close()) }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// apiError is google.rpc.Status in JSON.
type apiError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Details []struct {
		Type            string            `json:"@type"`
		Reason          string            `json:"reason"`
		Domain          string            `json:"domain"`
		Metadata        map[string]string `json:"metadata"`
		FieldViolations []struct {
			Field       string `json:"field"`
			Description string `json:"description"`
		} `json:"fieldViolations"`
	} `json:"details"`
}

// problem reads an error and returns its one reason and its fields.
func (a answer) problem(t *testing.T) (reason string, fields []string) {
	t.Helper()
	var e apiError
	require.NoError(t, json.Unmarshal([]byte(a.body), &e), a.body)
	infos := 0
	for _, d := range e.Details {
		if d.Type == "type.googleapis.com/google.rpc.ErrorInfo" {
			infos++
			reason = d.Reason
			require.Equal(t, "unmask-eval.dev", d.Domain)
		}
		for _, v := range d.FieldViolations {
			fields = append(fields, v.Field)
			require.NotEmpty(t, v.Description)
		}
	}
	require.Equal(t, 1, infos, "exactly one ErrorInfo: %s", a.body)
	return reason, fields
}

// tryStart opens a service on a store that may be in use.
func tryStart(t *testing.T, path string) (*app.App, error) {
	t.Helper()
	cfg := config.Default()
	cfg.Store.Path = path
	log, err := telemetry.NewLogger(&buffer{}, cfg.Log.Level, cfg.Log.Format)
	require.NoError(t, err)
	return app.New(t.Context(), cfg, log)
}
