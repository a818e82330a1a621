package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

func TestTimeouts(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"half":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for _, tt := range []struct {
		name    string
		cfg     transport.Config
		handler http.HandlerFunc
		message string
	}{
		{"first byte", transport.Config{FirstByteTimeout: 10 * time.Millisecond}, hang, "no first byte within 10ms"},
		{"whole call, no header", transport.Config{CallTimeout: 10 * time.Millisecond}, hang, "no whole reply within 10ms"},
		{"whole call, within the body", transport.Config{CallTimeout: 20 * time.Millisecond}, drip, "no whole reply within 20ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.MaxAttempts = 2
			f := serve(t, tt.cfg, tt.handler)
			_, err := f.post(t.Context())
			failure := failureOf(t, err)
			require.Equal(t, model.ClassTimeout, failure.Class)
			require.Equal(t, tt.message, failure.Message)
			require.Equal(t, 2, failure.Attempts)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "that would look like the caller's deadline")
		})
	}
}

func TestUnreachableServers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "http://" + ln.Addr().String()
	require.NoError(t, ln.Close())
	secure := httptest.NewTLSServer(reply(200))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(reply(200))
	t.Cleanup(plain.Close)
	for _, tt := range []struct {
		name, url string
		class     model.ErrorClass
		attempts  int
		message   string
	}{
		{"nobody listens", closed, model.ClassUnavailable, 2, "the connection was refused"},
		{"no such host", "http://unmask-no-such-host.invalid", model.ClassUnavailable, 2, "the server's name cannot be resolved"},
		{"untrusted certificate", secure.URL, model.ClassUnavailable, 1, "the server's TLS certificate is not trusted"},
		{"HTTPS to an HTTP server", "https" + strings.TrimPrefix(plain.URL, "http"), model.ClassUnavailable, 1, "the server speaks HTTP where HTTPS is configured"},
		{"not HTTP", rawServer(t, "SSH-2.0-secret-marker\r\n"), model.ClassBadReply, 2, "the reply is not HTTP"},
		{"header beyond all measure", rawServer(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 1<<20)+"\r\n\r\n"), model.ClassUnavailable, 2, "the connection failed"},
		{"URL that is none", "http://[", model.ClassBadRequest, 1, "the URL cannot be called"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := newClient(t, transport.Config{MaxAttempts: 2, Clock: newClock()})
			_, err := client.Post(t.Context(), transport.Call{URL: tt.url, Decode: isJSON})
			failure := failureOf(t, err)
			require.Equal(t, tt.class, failure.Class, failure.Message)
			require.Equal(t, tt.message, failure.Message)
			require.Equal(t, tt.attempts, failure.Attempts)
			require.NotContains(t, fmt.Sprintf("%+v %v", failure, failure.Err), "secret-marker")
		})
	}
}

// rawServer answers every connection with fixed bytes.
func rawServer(t *testing.T, text string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return "http://" + ln.Addr().String()
}
