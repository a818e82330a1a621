// Package testkit builds the binary and runs it for tests that look at it from
// outside.
package testkit

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var build = struct {
	once sync.Once
	dir  string
	err  error
	out  []byte
}{}

// Root is the project's root directory.
func Root(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	require.NoError(t, err)
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// Binary builds the command once for a test process and returns its path. Call
// Clean at the end of TestMain.
func Binary(t testing.TB) string {
	t.Helper()
	root := Root(t)
	build.once.Do(func() {
		if build.dir, build.err = os.MkdirTemp("", "unmask-test-"); build.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(build.dir, "unmask"), "./cmd/unmask") //nolint:noctx // outlives a test
		cmd.Dir = root
		build.out, build.err = cmd.CombinedOutput()
	})
	require.NoError(t, build.err, "%s", build.out)
	return filepath.Join(build.dir, "unmask")
}

// Clean removes what Binary built.
func Clean() {
	if build.dir != "" {
		_ = os.RemoveAll(build.dir)
	}
}

// Server is a running `unmask serve`.
type Server struct {
	// GRPC, HTTP and Ops are host:port.
	GRPC, HTTP, Ops string
	cmd             *exec.Cmd
	done            chan error
	text            *log
}

// log is all that the server has written to standard error.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(s)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Serve starts the server on a store and waits until it serves. Arguments
// override the free loopback ports. It is stopped at the end of the test.
func Serve(t testing.TB, store string, args ...string) *Server {
	t.Helper()
	args = append([]string{
		"serve", "--server.grpc-addr=127.0.0.1:0", "--server.http-addr=127.0.0.1:0",
		"--server.ops-addr=127.0.0.1:0", "--store.path=" + store,
	}, args...)
	s := &Server{cmd: exec.Command(Binary(t), args...), done: make(chan error, 1), text: &log{}} //nolint:noctx // stopped below
	logs, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	ready := make(chan struct{})
	go func() {
		for lines := bufio.NewReader(logs); ; {
			line, err := lines.ReadString('\n')
			var entry struct{ Msg, GRPC, HTTP, Ops string }
			s.text.add(line)
			if s.GRPC == "" {
				if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
					s.GRPC, s.HTTP, s.Ops = entry.GRPC, entry.HTTP, entry.Ops
					close(ready)
				}
			}
			if err != nil {
				break
			}
		}
		s.done <- s.cmd.Wait()
	}()
	t.Cleanup(func() { s.Stop(t) })
	select {
	case <-ready:
	case err := <-s.done:
		s.done <- err
		require.FailNow(t, "the server did not start", "%v\n%s", err, s.text)
	case <-time.After(time.Minute):
		require.FailNow(t, "the server did not start in a minute")
	}
	return s
}

// Kill ends the server as a crash would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGKILL))
	s.done <- <-s.done
}

// Abort ends the server with a dump of all that it does, and returns what it has
// written to standard error.
func (s *Server) Abort(t testing.TB) string {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGQUIT))
	s.done <- <-s.done
	return s.text.String()
}

// Stop asks the server to drain and waits for it; it may have ended before.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.done:
		s.done <- err
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		require.FailNow(t, "the server did not stop in a minute")
	}
}

// Run carries out a command line and returns all that it wrote, whatever its exit
// code is.
func Run(t testing.TB, limit time.Duration, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, _ := exec.CommandContext(ctx, Binary(t), args...).CombinedOutput()
	require.NoError(t, ctx.Err(), "%s", out)
	return string(out)
}
