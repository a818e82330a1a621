// Package testkit builds the binary and runs it for tests that look at it from
// outside.
package testkit

import (
	"bufio"
	"encoding/json"
	"io"
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
}

// Serve starts the server on a store and waits until it serves. Arguments
// override the free loopback ports. It is stopped at the end of the test.
func Serve(t testing.TB, store string, args ...string) *Server {
	t.Helper()
	args = append([]string{
		"serve", "--server.grpc-addr=127.0.0.1:0", "--server.http-addr=127.0.0.1:0",
		"--server.ops-addr=127.0.0.1:0", "--store.path=" + store,
	}, args...)
	s := &Server{cmd: exec.Command(Binary(t), args...), done: make(chan error, 1)} //nolint:noctx // stopped below
	logs, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	ready := make(chan struct{})
	var text strings.Builder
	go func() {
		for lines := bufio.NewReader(logs); ; {
			line, err := lines.ReadString('\n')
			var entry struct{ Msg, GRPC, HTTP, Ops string }
			if s.GRPC == "" {
				text.WriteString(line)
				if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
					s.GRPC, s.HTTP, s.Ops = entry.GRPC, entry.HTTP, entry.Ops
					close(ready)
				}
			}
			if err != nil {
				break
			}
		}
		_, _ = io.Copy(io.Discard, logs)
		s.done <- s.cmd.Wait()
	}()
	t.Cleanup(func() { s.Stop(t) })
	select {
	case <-ready:
	case err := <-s.done:
		s.done <- err
		require.FailNow(t, "the server did not start", "%v\n%s", err, text.String())
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
