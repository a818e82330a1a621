package postgres

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server is a server of one test, which may be killed and started again. What it
// has acknowledged outlives that.
type Server struct {
	s   server
	dir string
}

// superviseLoop runs the server whenever the file "up" is there, until standard
// input ends, and cleans up then.
const superviseLoop = `dir=$1; shift
loop() { while [ -d "$dir" ]; do if [ -e "$dir/up" ]; then "$@" >>"$dir/log" 2>&1; fi; sleep 0.05; done; }
loop "$@" &
cat >/dev/null
rm -f "$dir/up"
kill -QUIT $(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) 2>/dev/null
rm -rf "$dir"
wait
rm -rf "$dir"`

// Own starts a server for one test, and ends it with the test. As with Database, the
// test is skipped or fails where none is installed.
func Own(t testing.TB) *Server {
	t.Helper()
	bin, err := binaries()
	var missing *MissingError
	if errors.As(err, &missing) && os.Getenv(EnvRequired) != "required" {
		t.Skip(missing)
	}
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "unmask-postgres-")
	require.NoError(t, err)
	secret := make([]byte, 16)
	_, err = rand.Read(secret)
	require.NoError(t, err)
	o := &Server{s: server{password: hex.EncodeToString(secret)}, dir: dir}
	pwfile, data := filepath.Join(dir, "password"), filepath.Join(dir, "data")
	require.NoError(t, os.WriteFile(pwfile, []byte(o.s.password), 0o600))
	user, err := unprivileged(dir, pwfile)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=unmask", "--pwfile="+pwfile, //nolint:gosec // a program found on the machine
		"--auth=password", "--encoding=UTF8", "--no-sync", "--no-instructions", "--locale=C")
	cmd.Dir, cmd.SysProcAttr = dir, user
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	o.s.port, err = freePort()
	require.NoError(t, err)
	o.s.cmd = exec.Command("sh", "-c", superviseLoop, "sh", dir, filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(o.s.port), //nolint:noctx,gosec // ended below
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
		// The machine outlives the test; an acknowledged commit has to outlive the server.
		"-c", "fsync=off", "-c", "synchronous_commit=on")
	o.s.cmd.Dir = dir
	o.s.cmd.SysProcAttr, err = unprivileged()
	require.NoError(t, err)
	o.s.stdin, err = o.s.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, o.s.cmd.Start())
	t.Cleanup(func() { require.NoError(t, o.s.stop()) })
	o.Start(t)
	o.s.exec(t, "CREATE DATABASE chaos")
	return o
}

// URL is that of an empty database, by a superuser with a password.
func (o *Server) URL() string { return o.s.url("chaos") }

// Start starts the server again and waits until it answers.
func (o *Server) Start(t testing.TB) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(o.dir, "up"), nil, 0o600))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := o.s.ping()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(o.dir, "log"))
			require.NoError(t, err, "PostgreSQL did not start:\n%s", log)
		}
	}
}

// Kill ends the server without a word to its clients: with SIGKILL, or, immediate,
// with the SIGQUIT of an immediate shutdown.
func (o *Server) Kill(t testing.TB, immediate bool) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(o.dir, "up")))
	text, err := os.ReadFile(filepath.Join(o.dir, "data", "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	p, err := os.FindProcess(pid)
	require.NoError(t, err)
	signal := syscall.SIGKILL
	if immediate {
		signal = syscall.SIGQUIT
	}
	require.NoError(t, p.Signal(signal))
}
